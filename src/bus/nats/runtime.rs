//! A small runtime that ends all its tasks when it is closed or dropped. Never waits for a task.

use std::{future::Future, io};

use tokio::runtime::{Builder, Runtime};

/// One thread for the tasks of one connection.
#[derive(Debug)]
pub(super) struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("nats").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs `future` on this runtime, where the tasks that it starts stay. None if the runtime ends before it does.
    pub(super) async fn run<F>(&self, future: F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.as_ref()?.spawn(future).await.ok()
    }

    /// Ends all tasks where they wait next.
    pub(super) fn end(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn its_tasks_end_with_it() {
        let mut runtime = OwnRuntime::start().unwrap();
        let (kept_by_task, task_ended) = oneshot::channel::<()>();
        runtime
            .run(async {
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(kept_by_task);
                });
            })
            .await
            .unwrap();
        runtime.end();
        task_ended.await.unwrap_err();
        assert_eq!(runtime.run(async {}).await, None);
    }
}
