//! A hyper server with two handlers that work for as long as they may: POST /reports/loop does it itself, POST /reports/job in
//! a task of its own. DELETE /jobs/ID ends a job; GET /state tells what each has done and how it ended.
//! Usage: backend ADDRESS:PORT
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Method, Request, Response, Server, StatusCode};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[derive(Default)]
struct Work {
    steps: u64,
    state: &'static str,
    task: Option<JoinHandle<()>>,
}

type Board = Arc<Mutex<HashMap<String, Work>>>;

/// Marks the work as ended when the future that owns it is dropped, which is all that cancelling is in Rust.
struct Ending {
    board: Board,
    id: String,
    how: &'static str,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(work) = self.board.lock().unwrap().get_mut(&self.id) {
            work.state = self.how;
        }
    }
}

async fn work(board: Board, id: String, how_it_ends: &'static str) {
    let ending = Ending { board, id, how: how_it_ends };
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if let Some(work) = ending.board.lock().unwrap().get_mut(&ending.id) {
            work.steps += 1;
        }
    }
}

fn begin(board: &Board, id: &str) {
    board.lock().unwrap().insert(id.to_owned(), Work { state: "running", ..Work::default() });
}

fn state(board: &Board) -> String {
    let works = board.lock().unwrap();
    let members: Vec<String> = works
        .iter()
        .map(|(id, work)| format!(r#"{:?}: {{"state": {:?}, "steps": {}}}"#, id, work.state, work.steps))
        .collect();
    format!("{{{}}}", members.join(", "))
}

fn cancel(board: &Board, id: &str) -> StatusCode {
    let task = board.lock().unwrap().get_mut(id).and_then(|work| work.task.take());
    match task {
        Some(task) => {
            task.abort();
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn handle(request: Request<Body>, board: Board) -> Result<Response<Body>, Infallible> {
    let id = request.headers().get("x-job-id").and_then(|id| id.to_str().ok()).unwrap_or("nameless").to_owned();
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/state") => (StatusCode::OK, state(&board)),
        (&Method::POST, "/reports/loop") => {
            begin(&board, &id);
            work(board, id, "aborted").await;
            (StatusCode::OK, String::new())
        }
        (&Method::POST, "/reports/job") => {
            begin(&board, &id);
            let (owner, ended) = oneshot::channel::<()>();
            let steps = work(board.clone(), id.clone(), "cancelled");
            let task = tokio::spawn(async move {
                let _owner = owner;
                steps.await;
            });
            board.lock().unwrap().get_mut(&id).unwrap().task = Some(task);
            let _ = ended.await;
            (StatusCode::GONE, String::new())
        }
        (&Method::DELETE, path) => (cancel(&board, path.trim_start_matches("/jobs/")), String::new()),
        _ => (StatusCode::NOT_FOUND, String::new()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    Ok(response)
}

fn main() {
    let address = std::env::args().nth(1).and_then(|text| text.parse().ok()).expect("usage: backend ADDRESS:PORT");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let board = Board::default();
        let service = make_service_fn(move |_| {
            let board = board.clone();
            async move { Ok::<_, Infallible>(service_fn(move |request| handle(request, board.clone()))) }
        });
        Server::bind(&address).serve(service).await.unwrap();
    });
}
