//! A server by itself, for who does not link this crate: makes a database, prints a line of JSON that says how to connect,
//! and stays until it is ended.

use std::io::Write as _;
use std::sync::mpsc;

use database::{PASSWORD, Server};

/// The database that it makes.
const DATABASE: &str = "warehouse";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start()?;
    server.create_database(DATABASE)?;
    let said = serde_json::json!({
        "address": server.url(DATABASE),
        "password": PASSWORD,
        "authority": server.authority(),
        "authority_file": server.authority_file(),
    });
    let mut output = std::io::stdout();
    writeln!(output, "{said}")?;
    output.flush()?;
    let (_kept, forever) = mpsc::channel::<()>();
    Ok(forever.recv()?)
}
