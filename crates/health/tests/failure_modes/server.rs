//! Servers that do what they are told, whatever they are asked.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How a server ends a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Close,
    Hold,
    Reset,
}

impl End {
    async fn of(self, mut stream: TcpStream) {
        match self {
            // What the client still says is read, or closing would reset.
            Self::Close => {
                let _ = stream.shutdown().await;
                read_all(stream).await;
            }
            Self::Hold => read_all(stream).await,
            Self::Reset => SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap(),
        }
    }
}

async fn read_all(mut stream: TcpStream) {
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

/// Treats each connection like this.
pub(crate) async fn serve<F, T>(treat: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    serve_on("127.0.0.1:0", treat).await
}

pub(crate) async fn serve_on<F, T>(address: &str, treat: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(treat(stream));
        }
    });
    address
}

/// Says this at once.
pub(crate) async fn says(text: impl AsRef<[u8]>, end: End) -> SocketAddr {
    let text = text.as_ref().to_vec();
    serve(move |mut stream| {
        let text = text.clone();
        async move {
            let _ = stream.write_all(&text).await;
            end.of(stream).await;
        }
    })
    .await
}

/// Says this to a request of HTTP, and notes the requests.
pub(crate) async fn answers(text: impl AsRef<[u8]>, end: End) -> (SocketAddr, Requests) {
    let requests = Requests::default();
    let noted = requests.clone();
    let text = text.as_ref().to_vec();
    let address = serve(move |mut stream| {
        let (text, noted) = (text.clone(), noted.clone());
        async move {
            let head = head(&mut stream).await;
            noted.0.lock().unwrap().push(head);
            let _ = stream.write_all(&text).await;
            end.of(stream).await;
        }
    })
    .await;
    (address, requests)
}

/// The heads of the requests that a server has had.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Reads the head of a request.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            break;
        };
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Where a port is taken, but nobody listens as long as the socket lives.
pub(crate) fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// Where the kernel answers no SYN, since too many connections wait to be accepted.
pub(crate) fn crowded() -> (Socket, std::net::TcpStream, SocketAddr) {
    let (socket, address) = refusing();
    socket.listen(0).unwrap();
    let first = std::net::TcpStream::connect(address).unwrap();
    (socket, first, address)
}
