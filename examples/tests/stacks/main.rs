//! Stacks of middleware around a request, with Sentry's SDK, over real sockets. In every stack the incoming trace is
//! continued, and all data of the request is in it. A request that is not sampled sends no transaction.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod axum_stack;
mod checks;
mod handlers;
mod server;
mod stack;
mod strangers;

use actix_web::rt;
use tracehop::Propagator;

use crate::checks::check;
use crate::handlers::HANDLERS;
use crate::server::{Sentry, Serving, get};
use crate::stack::{Framework, Incoming, Stack, start};

/// One process has one main hub, and `sentry::init` one client. So the whole table is one test.
#[test]
fn requests_keep_their_trace_and_their_data() {
    // As the SDK's own hook does it, but without a stack trace, which takes seconds for each panic.
    std::panic::set_hook(Box::new(|panic| {
        sentry::capture_message(&panic.to_string(), sentry::Level::Fatal);
    }));
    rt::System::new().block_on(async {
        let sentry = Sentry::start();
        let mut options = sentry::ClientOptions::new()
            .dsn(&sentry.dsn())
            .release("shop@1")
            .default_integrations(false)
            .traces_sample_rate(1.0);
        let builder = tracehop_sentry::propagator_builder(&mut options);
        let propagator: Propagator = builder.build().unwrap();
        let _guard = sentry::init(options);

        strangers::check(&strangers::serve_actix(&propagator), &sentry).await;
        strangers::check(&axum_stack::serve_strangers(&propagator), &sentry).await;
        let mut failures = Vec::new();
        let mut cells = 0;
        let frameworks = [Framework::Actix, Framework::Axum];
        for stack in frameworks.into_iter().flat_map(Stack::all) {
            let server: Box<dyn Serving> = match stack.framework {
                Framework::Actix => Box::new(start(stack, &propagator, &sentry)),
                Framework::Axum => Box::new(axum_stack::start(stack, &propagator, &sentry)),
            };
            for incoming in Incoming::ALL {
                for handler in HANDLERS {
                    let answer = get(server.address(), handler, incoming.header()).await;
                    let sent = sentry.flush().await;
                    cells += 1;
                    if let Err(error) = check(stack, incoming, handler, &answer, &sent) {
                        failures.push(format!("{stack:?} {incoming:?} {handler}: {error}"));
                    }
                }
            }
        }
        let _ = std::panic::take_hook();
        assert!(failures.is_empty(), "{} of {cells}:\n{}", failures.len(), failures.join("\n"));
    });
}
