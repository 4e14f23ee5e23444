//! `ottla broker`

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{end, interrupt, ottla, run};

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_it_is_serves_clients_and_ends_with_ctrl_c() {
    let arguments = ["broker", "--listen", "127.0.0.1:0", "--nodes", "2", "--topic", "orders:3", "--json"];
    let mut child = ottla(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready: serde_json::Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(ready["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(ready["topics"][0]["partitions"], 3);
    let bootstrap = ready["bootstrap"].as_str().unwrap();

    run(&["produce", "-b", bootstrap, "-t", "orders"], b"tea\n").await.ok();
    let read = run(&["consume", "-b", bootstrap, "-t", "orders", "--from-beginning", "-e"], b"").await;
    assert_eq!(read.ok(), "tea\n");

    interrupt(&child).await;
    end(child).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = run(&["broker", "--listen", &address], b"").await;
    assert_eq!(done.code(), Some(1));
    assert!(done.err().contains(&address), "{}", done.err());
}
