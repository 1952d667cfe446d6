//! Servers that fail, each in its own way: the caller sees what it would see without the middleware.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest_middleware::ClientWithMiddleware;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// What a server does with a connection, once it has the request's head.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// Nothing at all.
    Silence,
    /// Nothing, and resets the connection.
    Reset,
    /// Nothing, and closes the connection.
    Close,
    /// Sends this, and closes the connection.
    Answer(&'static [u8]),
    /// Sends this, and resets the connection.
    AnswerAndReset(&'static [u8]),
    /// Sends this, and nothing more.
    AnswerAndSilence(&'static [u8]),
}

const FAILURES: [Failure; 16] = [
    Failure::Silence,
    Failure::Reset,
    Failure::Close,
    Failure::Answer(b"\0\xff garbage"),
    Failure::Answer(b"HTTP/1.1 200"),
    Failure::Answer(b"HTTP/9.9 200 OK\r\n\r\n"),
    Failure::Answer(b"HTTP/1.1 999999 OK\r\n\r\n"),
    Failure::Answer(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"),
    Failure::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
    Failure::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
    Failure::Answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
    Failure::Answer(
        b"HTTP/1.1 302 Found\r\nlocation: ftp://example.com/\r\ncontent-length: 0\r\n\r\n",
    ),
    Failure::Answer(b"HTTP/1.1 302 Found\r\nlocation: \xff\r\ncontent-length: 0\r\n\r\n"),
    Failure::AnswerAndReset(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
    Failure::AnswerAndSilence(b"HTTP/1.1 200 OK\r\ncont"),
    Failure::AnswerAndSilence(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
];

impl Failure {
    fn is_silent(self) -> bool {
        matches!(self, Self::Silence | Self::AnswerAndSilence(_))
    }

    /// Serves with this failure until the runtime ends, and returns the URL.
    async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(self.happen_to(stream));
            }
        });
        url
    }

    async fn happen_to(self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        if let Self::Answer(bytes) | Self::AnswerAndReset(bytes) | Self::AnswerAndSilence(bytes) =
            self
        {
            stream.write_all(bytes).await.unwrap();
        }
        match self {
            Self::Silence | Self::AnswerAndSilence(_) => std::future::pending().await,
            Self::Reset | Self::AnswerAndReset(_) => stream.set_zero_linger().unwrap(),
            Self::Close | Self::Answer(_) => (),
        }
    }
}

/// Returns everything by which a caller can distinguish errors.
fn description(error: &reqwest::Error) -> Vec<String> {
    let kinds = [
        ("builder", error.is_builder()),
        ("redirect", error.is_redirect()),
        ("status", error.is_status()),
        ("timeout", error.is_timeout()),
        ("request", error.is_request()),
        ("connect", error.is_connect()),
        ("body", error.is_body()),
        ("decode", error.is_decode()),
        ("upgrade", error.is_upgrade()),
    ];
    let kinds = kinds.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind.to_owned());
    let causes = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    let url = error.url().map(ToString::to_string);
    kinds.chain(causes.map(ToString::to_string)).chain(url).collect()
}

async fn outcome(answer: Result<reqwest::Response, reqwest::Error>) -> Vec<String> {
    let whole = match answer {
        Ok(answer) => {
            let status = answer.status();
            answer.text().await.map(|text| vec![status.to_string(), text])
        }
        Err(error) => Err(error),
    };
    whole.unwrap_or_else(|error| description(&error))
}

/// The same client, with the middleware and without.
struct Clients {
    plain: reqwest::Client,
    ours: ClientWithMiddleware,
}

impl Clients {
    fn new(timeout: Option<Duration>) -> Self {
        let new = || {
            let builder = reqwest::Client::builder().no_proxy();
            match timeout {
                Some(timeout) => builder.read_timeout(timeout),
                None => builder,
            }
        };
        let ours = tracehop_reqwest::client(new(), super::propagator()).unwrap();
        Self { plain: new().build().unwrap(), ours }
    }

    async fn plain(&self, url: &str) -> Vec<String> {
        outcome(self.plain.get(url).send().await).await
    }

    async fn ours(&self, url: &str) -> Vec<String> {
        match self.ours.get(url).send().await {
            Ok(answer) => outcome(Ok(answer)).await,
            Err(reqwest_middleware::Error::Reqwest(error)) => outcome(Err(error)).await,
            Err(error @ reqwest_middleware::Error::Middleware(_)) => vec![format!("{error:#}")],
        }
    }
}

#[tokio::test]
async fn failures_are_the_same_without_the_middleware() {
    let mut tasks = JoinSet::new();
    for failure in FAILURES {
        tasks.spawn(async move {
            // Only a silent server needs a timeout. All other outcomes do not depend on time.
            let clients = Clients::new(failure.is_silent().then_some(Duration::from_secs(1)));
            let url = failure.serve().await;
            let (plain, ours) = tokio::join!(clients.plain(&url), clients.ours(&url));
            assert_eq!(ours, plain, "{failure:?}");
            (failure.is_silent(), plain)
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        let (is_silent, outcome) = outcome.unwrap();
        assert_eq!(outcome.iter().any(|text| text == "timeout"), is_silent, "{outcome:?}");
    }
    let clients = Clients::new(None);
    // Bound, but not listened on: connections are refused, and no other process can take the port.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    let plain = clients.plain(&url).await;
    assert_eq!(plain[..2], ["request", "connect"]);
    assert_eq!(clients.ours(&url).await, plain);
    assert_eq!(clients.ours("ftp://127.0.0.1/").await, clients.plain("ftp://127.0.0.1/").await);
}

/// The variable that turns a child process, which runs this test program, into a server.
const CHILD: &str = "TRACEHOP_TEST_CHILD";

/// Not a test, but a server in a process of its own. It prints where it listens, then that it has sent half an answer.
/// Then it waits to be killed.
#[test]
fn a_child_process_that_answers_by_half() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    println!("\nlistening on {}", listener.local_addr().unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
    println!("\nanswered");
    loop {
        std::thread::park();
    }
}

struct Server {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "failures::a_child_process_that_answers_by_half"]);
        let mut child = command.env(CHILD, "1").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Returns the rest of the next line that begins with this text.
    fn next_line(&mut self, start: &str) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn killed_servers_give_their_callers_the_usual_error() {
    // Without a timeout: the end of the server's process alone ends the request.
    let plain = super::plain_client();
    let ours = super::client(super::propagator());
    let mut outcomes = Vec::new();
    for with_ours in [false, true] {
        let mut server = Server::start();
        let url = format!("http://{}/", server.next_line("listening on "));
        let answer = if with_ours {
            ours.get(&url).send().await.unwrap()
        } else {
            plain.get(&url).send().await.unwrap()
        };
        server.next_line("answered");
        drop(server);
        // Each server has another port.
        let outcome = outcome(Ok(answer)).await.into_iter().map(|text| text.replace(&url, "url"));
        outcomes.push(outcome.collect::<Vec<_>>());
    }
    assert!(outcomes[0].iter().any(|text| text == "decode" || text == "body"), "{outcomes:?}");
    assert_eq!(outcomes[0], outcomes[1]);
}
