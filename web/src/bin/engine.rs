//! The engine's worker.

fn main() {
    #[cfg(target_family = "wasm")]
    mtdit_web::engine::serve();
}
