//! What no well-behaved client sends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{Server, value};

#[tokio::test]
async fn encryption_is_declined_and_the_connection_goes_on() {
    let server = Server::start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    for request in [80_877_104_i32, 80_877_103] {
        socket.write_all(&8_i32.to_be_bytes()).await.unwrap();
        socket.write_all(&request.to_be_bytes()).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'N');
    }
    let body = b"\0\x03\0\0user\0me\0\0";
    socket.write_all(&(body.len() as i32 + 4).to_be_bytes()).await.unwrap();
    socket.write_all(body).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'R');
}

#[tokio::test]
async fn rubbish_harms_only_its_own_connection() {
    let server = Server::start().await;
    let client = server.connect().await;
    for rubbish in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc",
        b"\0\0\0\x08\0\0\0\0",
        b"\xff\xff\xff\xff\0\x03\0\0",
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(rubbish).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Whether the server answers or hangs up is its choice; that it lives is not.
        let _ = socket.read_to_end(&mut answer).await;
    }
    assert_eq!(value(&client, "SELECT 1").await, "1");
}
