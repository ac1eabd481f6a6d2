//! HTTP served within bounds: how many connections there are at a time, how long a request may take to arrive, and how
//! large its head may be. Does not know the pages.

mod bound_address;
pub(crate) mod refresh;
pub(crate) mod tls;

use std::{
    collections::VecDeque,
    future::pending,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Extension, Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(crate) use bound_address::BoundAddress;

/// What a request's head may have: enough for any client of ours.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// The limits of connections and requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Connections at a time.
    pub(crate) connections_max: usize,
    /// From the connection, or the answer before, to the last byte of a request's head.
    pub(crate) head_time: Duration,
    /// What becomes of a connection, and of those beyond the bound.
    pub(crate) connections: ConnectionLimits,
}

/// What becomes of a connection, and of those beyond the bound.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ConnectionLimits {
    /// Each has one answer, which must be taken within this time; the oldest gives way to a new one, so that idle
    /// clients and slow readers do not block others. A [`LongAnswer`] is exempt from both and is not counted.
    OneAnswer(Duration),
    /// Each has as many answers, for as long, as it likes; new ones wait until one of them ends.
    Endless,
}

/// An answer that goes on for as long as its page likes. Pages find it among the extensions of a request; whoever begins one bounds
/// their number, and cuts off what does not read.
#[derive(Debug, Clone, Default)]
pub(crate) struct LongAnswer {
    is_begun: Arc<AtomicBool>,
    cut: CancellationToken,
}

impl LongAnswer {
    /// From now on the connection may last.
    pub(crate) fn begin(&self) {
        self.is_begun.store(true, Ordering::Relaxed);
    }

    /// Ends the connection at once.
    pub(crate) fn cut_off(&self) {
        self.cut.cancel();
    }

    fn is_begun(&self) -> bool {
        self.is_begun.load(Ordering::Relaxed)
    }

    /// Waits until the connection has to end: after `time`, unless a long answer has begun.
    async fn is_over(&self, time: Duration) {
        let in_time = async {
            tokio::time::sleep(time).await;
            if self.is_begun() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            () = in_time => {}
            () = self.cut.cancelled() => {}
        }
    }
}

/// A connection that is served.
struct Served {
    task: AbortHandle,
    answer: LongAnswer,
}

/// Speaks TLS to a client, or not.
pub(crate) trait Security: Clone + Send + Sync + 'static {
    /// What is there to speak TLS with; none: plain text is spoken.
    fn acceptor(&self) -> Option<TlsAcceptor>;
}

/// Plain text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainText;

impl Security for PlainText {
    fn acceptor(&self) -> Option<TlsAcceptor> {
        None
    }
}

/// Serves `pages`, which may depend on the connection, to the connections of `listener` until `stop`, and then until
/// the answers in progress are read. A drop ends all connections.
pub(crate) async fn serve<L: Listener>(
    mut listener: L,
    security: impl Security,
    pages: impl Fn(&L::Io) -> Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<Served> = VecDeque::new();
    loop {
        by_age.retain(|served| !served.task.is_finished());
        let short = by_age.iter().filter(|served| !served.answer.is_begun()).count();
        let is_full = short >= bounds.connections_max;
        let may_accept = !is_full || matches!(bounds.connections, ConnectionLimits::OneAnswer(_));
        let io = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            (io, _) = listener.accept(), if may_accept => io,
        };
        if is_full && let Some(oldest) = by_age.iter().position(|served| !served.answer.is_begun()) {
            by_age.remove(oldest).inspect(|oldest| oldest.task.abort());
            // It is gone before there is another: in a burst, connections would come faster than those that were aborted end.
            connections.join_next().await;
        }
        let answer = LongAnswer::default();
        let pages = pages(&io).layer(Extension(answer.clone()));
        let (security, stop, long) = (security.clone(), stop.clone(), answer.clone());
        let task = connections.spawn(async move {
            let serving = secured(io, &security, pages, bounds, stop);
            match bounds.connections {
                // A slower connection is closed.
                ConnectionLimits::OneAnswer(time) => tokio::select! {
                    () = serving => {}
                    () = long.is_over(time) => {}
                },
                ConnectionLimits::Endless => serving.await,
            }
        });
        by_age.push_back(Served { task, answer });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn secured(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    security: &impl Security,
    pages: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let Some(acceptor) = security.acceptor() else { return connection(io, pages, bounds, stop).await };
    let accepted: io::Result<_> = match tokio::time::timeout(bounds.head_time, acceptor.accept(io)).await {
        Ok(accepted) => accepted,
        Err(_) => return,
    };
    match accepted {
        Ok(io) => connection(io, pages, bounds, stop).await,
        Err(err) => {
            tracing::debug!(error = %err, "a client does not speak TLS as this server does");
        }
    }
}

async fn connection(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    pages: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_time)
        .max_buf_size(HEAD_MAX_BYTES)
        .keep_alive(matches!(bounds.connections, ConnectionLimits::Endless))
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(pages));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(err) = ended {
        tracing::debug!(error = %err, "a connection has ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        pin::Pin,
        sync::atomic::AtomicUsize,
        task::{Context, Poll},
    };

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadBuf},
        net::{TcpListener, TcpStream},
    };
    use tokio_util::task::AbortOnDropHandle;

    use super::*;

    const BODY_BYTES: usize = 32 << 20;

    /// Connections that come all at once and say nothing, and how many of them there were at most.
    struct Burst {
        left: usize,
        alive: Arc<()>,
        most: Arc<AtomicUsize>,
    }

    /// A connection that counts as long as it is kept.
    struct Counted {
        io: DuplexStream,
        _ours: DuplexStream,
        _alive: Arc<()>,
    }

    impl Listener for Burst {
        type Io = Counted;
        type Addr = ();

        async fn accept(&mut self) -> (Counted, ()) {
            if self.left == 0 {
                pending::<()>().await;
            }
            self.left -= 1;
            let (io, ours) = tokio::io::duplex(64);
            let counted = Counted { io, _ours: ours, _alive: Arc::clone(&self.alive) };
            // But for the test's and the listener's own.
            self.most.fetch_max(Arc::strong_count(&self.alive) - 2, Ordering::Relaxed);
            (counted, ())
        }

        fn local_addr(&self) -> io::Result<()> {
            Ok(())
        }
    }

    impl AsyncRead for Counted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.io).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_shutdown(context)
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_burst_of_connections_keeps_the_bound() {
        let (alive, most) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
        let listener = Burst { left: 2_000, alive: Arc::clone(&alive), most: Arc::clone(&most) };
        let connections = ConnectionLimits::OneAnswer(Duration::from_secs(5));
        let bounds = Bounds { connections_max: 4, head_time: Duration::from_secs(5), connections };
        let pages = Router::new().route("/small", get(async || "small"));
        let serving = serve(listener, PlainText, move |_| pages.clone(), bounds, CancellationToken::new());
        let _serving = AbortOnDropHandle::new(tokio::spawn(serving));
        while Arc::strong_count(&alive) != 4 + 2 || most.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(most.load(Ordering::Relaxed) <= 4 + 1, "there were {most:?} at a time");
    }

    async fn start(connections: ConnectionLimits) -> (SocketAddr, AbortOnDropHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Router::new()
            .route("/small", get(async || "small"))
            .route("/large", get(async || vec![b'x'; BODY_BYTES]));
        let bounds = Bounds { connections_max: 4, head_time: Duration::from_millis(500), connections };
        let serving = serve(listener, PlainText, move |_| pages.clone(), bounds, CancellationToken::new());
        (address, AbortOnDropHandle::new(tokio::spawn(serving)))
    }

    async fn ask(address: SocketAddr, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn whole(mut stream: TcpStream) -> Vec<u8> {
        let mut read = Vec::new();
        // Whoever is cut off may see a reset.
        let _ = stream.read_to_end(&mut read).await;
        read
    }

    #[tokio::test]
    async fn a_long_answer_lasts_while_others_come_and_go_and_is_cut_off_at_a_word() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (begun, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let long = get(async move |Extension(answer): Extension<LongAnswer>| {
            answer.begin();
            begun.send(answer).unwrap();
            axum::body::Body::from_stream(futures_util::stream::pending::<io::Result<bytes::Bytes>>())
        });
        let pages = Router::new().route("/long", long).route("/small", get(async || "small"));
        let connections = ConnectionLimits::OneAnswer(Duration::from_millis(300));
        let bounds = Bounds { connections_max: 2, head_time: Duration::from_secs(5), connections };
        let serving = serve(listener, PlainText, move |_| pages.clone(), bounds, CancellationToken::new());
        let _serving = AbortOnDropHandle::new(tokio::spawn(serving));

        let lasting = ask(address, "GET /long HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let answer = answers.recv().await.unwrap();
        let mut read = tokio::spawn(whole(lasting));
        for _ in 0..20 {
            assert!(whole(ask(address, SMALL).await).await.ends_with(b"small"));
        }
        let idle = ask(address, "").await;
        // As long as an idle connection lasts, and longer.
        assert_eq!(whole(idle).await, b"");
        assert!(!read.is_finished());
        answer.cut_off();
        tokio::time::timeout(Duration::from_secs(5), &mut read).await.unwrap().unwrap();
    }

    const SMALL: &str = "GET /small HTTP/1.1\r\nhost: a\r\n\r\n";

    #[tokio::test]
    async fn idlers_and_slow_readers_keep_nobody_out_and_are_cut_off() {
        let (address, _serving) = start(ConnectionLimits::OneAnswer(Duration::from_secs(2))).await;
        let mut slow = Vec::new();
        for _ in 0..20 {
            slow.push(ask(address, "").await);
            slow.push(ask(address, "GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await);
        }
        let answer =
            tokio::time::timeout(Duration::from_secs(1), async { whole(ask(address, SMALL).await).await });
        let answer = answer.await.expect("an answer at once");
        assert!(answer.ends_with(b"small"), "{}", String::from_utf8_lossy(&answer));
        for stream in slow {
            let read = tokio::time::timeout(Duration::from_secs(10), whole(stream)).await.expect("an end");
            assert!(read.len() < BODY_BYTES || read.ends_with(b"x"), "{}", read.len());
        }
    }

    #[tokio::test]
    async fn a_slow_head_and_a_large_one_end_the_connection() {
        for connections in [ConnectionLimits::OneAnswer(Duration::from_secs(60)), ConnectionLimits::Endless] {
            let (address, _serving) = start(connections).await;
            for head in ["", "GET /small HTTP/1.1\r\nhos"] {
                let stream = ask(address, head).await;
                let read =
                    tokio::time::timeout(Duration::from_secs(10), whole(stream)).await.expect("an end");
                assert!(!read.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&read));
            }
            let large = format!("GET /small HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(2 * HEAD_MAX_BYTES));
            let read = tokio::time::timeout(Duration::from_secs(10), whole(ask(address, &large).await)).await;
            assert!(!read.expect("an end").starts_with(b"HTTP/1.1 200"));
        }
    }

    #[tokio::test]
    async fn who_has_been_answered_and_says_nothing_more_is_let_go() {
        let (address, _serving) = start(ConnectionLimits::Endless).await;
        let answered = ask(address, SMALL).await;
        let read = tokio::time::timeout(Duration::from_secs(10), whole(answered)).await.expect("an end");
        assert!(read.ends_with(b"small"), "{}", String::from_utf8_lossy(&read));
    }
}
