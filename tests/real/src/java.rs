//! The command line of a JVM with Kafka on its class path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// What a JVM is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Broker,
    Tool,
}

impl Role {
    /// The class-data archive of this role: loaded and verified classes, mapped instead of made again at each start.
    pub(crate) fn archive(self) -> &'static str {
        match self {
            Self::Broker => "broker.jsa",
            Self::Tool => "tool.jsa",
        }
    }

    fn log_level(self) -> &'static str {
        match self {
            Self::Broker => "info",
            Self::Tool => "warn",
        }
    }
}

/// What the archive of a JVM's classes is to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Archive {
    Use,
    /// Write it at the end of this run.
    Write,
}

/// A JVM that runs `class` from the jars in `folder` and the `classes` beside them; its temporary files go to `temporary`.
pub(crate) fn java(
    folder: &Path,
    classes: Option<&Path>,
    role: Role,
    archive: Archive,
    heap_mib: u32,
    temporary: &Path,
    class: &str,
) -> Result<Command> {
    let file = folder.join(role.archive());
    let mut command = Command::new("java");
    command
        .arg(format!("-Xmx{heap_mib}m"))
        // Made for short runs on a small machine: cheap to start, few threads.
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto", "-Xlog:disable"])
        .arg(match archive {
            Archive::Use => format!("-XX:SharedArchiveFile={}", file.display()),
            Archive::Write => format!("-XX:ArchiveClassesAtExit={}", file.display()),
        })
        .arg(format!("-Djava.io.tmpdir={}", temporary.display()))
        .arg(format!("-Dlog.level={}", role.log_level()))
        .arg(format!("-Dlog4j2.configurationFile={}", folder.join(LOG4J2).display()))
        .arg(format!("-Dlog4j.configuration=file:{}", folder.join(LOG4J).display()))
        .arg("-cp")
        .arg(class_path(folder, classes)?)
        .arg(class);
    Ok(command)
}

/// Every jar by name: the archive holds for paths that begin with exactly this one, and the order in which a folder lists its files is nobody's promise.
fn class_path(folder: &Path, classes: Option<&Path>) -> Result<String> {
    let mut jars: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    jars.retain(|file| file.extension().is_some_and(|extension| extension == "jar"));
    jars.sort();
    jars.extend(classes.map(Path::to_owned));
    Ok(jars.iter().map(|jar| jar.display().to_string()).collect::<Vec<_>>().join(":"))
}

const LOG4J: &str = "log4j.properties";
const LOG4J2: &str = "log4j2.xml";

/// Writes the settings of both logging libraries: Kafka 4 has Log4j 2, Kafka 3 its forerunner. All goes to stderr.
pub(crate) fn write_log_settings(folder: &Path) -> Result<()> {
    let log4j2 = r#"<Configuration>
  <Appenders>
    <Console name="stderr" target="SYSTEM_ERR"><PatternLayout pattern="%d{ISO8601} %p %c{1} %m%n"/></Console>
  </Appenders>
  <Loggers><Root level="${sys:log.level}"><AppenderRef ref="stderr"/></Root></Loggers>
</Configuration>
"#;
    let log4j = "log4j.rootLogger=${log.level}, stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=%d{ISO8601} %p %c{1} %m%n
";
    fs::write(folder.join(LOG4J2), log4j2)?;
    fs::write(folder.join(LOG4J), log4j)?;
    Ok(())
}
