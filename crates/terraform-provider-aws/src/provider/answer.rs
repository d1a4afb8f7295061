//! Turning results, refusals and panics into answers.

use crate::{diagnostic::Diagnostic, proto};
use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};
use tonic::{Response, Status};

/// An answer that can carry diagnostics instead of a result.
pub(super) trait Refusable: Sized {
    /// The answer that says only this.
    fn refused(diagnostic: proto::Diagnostic) -> Self;
}

macro_rules! refusable {
    ($($message:ident),* $(,)?) => {$(
        impl Refusable for proto::$message::Response {
            fn refused(diagnostic: proto::Diagnostic) -> Self {
                let mut answer = Self::default();
                answer.diagnostics.push(diagnostic);
                answer
            }
        }
    )*};
}

refusable!(
    validate_provider_config,
    configure_provider,
    validate_resource_config,
    upgrade_resource_state,
    read_resource,
    plan_resource_change,
    apply_resource_change,
    import_resource_state,
    move_resource_state,
    validate_data_resource_config,
    read_data_source,
    validate_ephemeral_resource_config,
    open_ephemeral_resource,
    renew_ephemeral_resource,
    close_ephemeral_resource,
);

impl Refusable for proto::call_function::Response {
    fn refused(diagnostic: proto::Diagnostic) -> Self {
        let text = format!("{}: {}", diagnostic.summary, diagnostic.detail);
        Self { result: None, error: Some(proto::FunctionError { text, function_argument: None }) }
    }
}

/// Runs a handler. Terraform shows a handler that panics as "Request cancelled" and nothing more, so a panic becomes a
/// diagnostic like any other failure.
pub(super) async fn answer<R: Refusable>(
    handler: impl Future<Output = Result<R, Diagnostic>>,
) -> Result<Response<R>, Status> {
    let mut handler = pin!(handler);
    let result = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(result),
        Err(panic) => Poll::Ready(Err(panicked(panic.as_ref()))),
    })
    .await;
    Ok(Response::new(result.unwrap_or_else(|diagnostic| R::refused(diagnostic.into()))))
}

fn panicked(panic: &(dyn Any + Send)) -> Diagnostic {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Diagnostic::error(
        "The provider failed on this request",
        format!(
            "This is a defect of the provider ({message}): please report it with the configuration that led here."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_diagnostic() {
        let handler = async { panic!("on purpose") };
        let response: proto::read_resource::Response = answer(handler).await.unwrap().into_inner();
        assert!(response.diagnostics[0].detail.contains("on purpose"));
    }
}
