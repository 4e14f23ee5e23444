//! Certificates of a cluster: an authority of its own, the brokers' and alice's.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::install::need;
use crate::release::run;

/// Writes `ca.pem` and, key and chain in one file, `broker.pem` and `alice.pem`, into `folder`.
///
/// They are made by the program `openssl`: a crate that signs would bring a second cryptographic library.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let openssl = need("openssl", &["openssl"])?;
    let openssl = |arguments: &[&str]| run(Command::new(&openssl).args(arguments).current_dir(folder));
    fs::create_dir_all(folder)?;

    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
    let authority =
        ["req", "-x509", "-subj", "/CN=ottla tests", "-days", "3650", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(&[&authority[..], &key].concat())?;
    for (name, alternative) in [("broker", "DNS:localhost,IP:127.0.0.1"), ("alice", "DNS:alice")] {
        let (key_file, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
        let extensions = format!("{name}.ext");
        fs::write(folder.join(&extensions), format!("subjectAltName={alternative}\n"))?;
        let subject = format!("/CN={name}");
        openssl(&[&["req", "-subj", &subject, "-keyout", &key_file, "-out", &request][..], &key].concat())?;
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "3650",
            "-extfile",
            &extensions,
            "-out",
            &certificate,
        ])?;
        let pem = [fs::read(folder.join(key_file))?, fs::read(folder.join(certificate))?].concat();
        fs::write(folder.join(format!("{name}.pem")), pem)?;
    }
    Ok(())
}
