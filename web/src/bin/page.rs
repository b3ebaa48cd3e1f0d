//! The page.

fn main() {
    #[cfg(target_family = "wasm")]
    mtdit_web::page::mount();
}
