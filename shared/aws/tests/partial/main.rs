//! What AWS does only in part, the real adapters carry on or tell, entry by entry: over HTTP, against the stub.

mod aws;
mod claims;
mod queues;
mod redrive;
mod rows;
mod table;
