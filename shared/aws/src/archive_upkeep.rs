//! The archive as it is kept up: its tenants, and objects that are taken away
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>), beside reading and writing.

use acequia_core::archive::ObjectKey;
use acequia_core::id::TenantId;
use acequia_core::port::{Archive, ArchiveReader, ArchiveUpkeep, Listing, ReadError, StoredObject, Unavailable};
use aws_config::SdkConfig;
use jiff::Timestamp;

use crate::archive::S3Archive;
use crate::archive_reader::S3ArchiveReader;

/// A bucket that is an archive, for what compacts it.
#[derive(Debug)]
pub struct S3ArchiveUpkeep {
    writer: S3Archive,
    reader: S3ArchiveReader,
}

impl S3ArchiveUpkeep {
    /// The bucket of this name, in the configuration's region.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        Self { writer: S3Archive::new(config, name), reader: S3ArchiveReader::new(config, name) }
    }
}

impl Archive for S3ArchiveUpkeep {
    async fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> Result<bool, Unavailable> {
        self.writer.keep(key, content).await
    }
}

impl ArchiveReader for S3ArchiveUpkeep {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        self.reader.list(tenant, after).await
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        self.reader.read(object).await
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        self.reader.first_kept(object).await
    }
}

impl ArchiveUpkeep for S3ArchiveUpkeep {
    async fn remove(&self, object: &StoredObject) -> Result<(), Unavailable> {
        self.reader.remove(object).await
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, Unavailable> {
        self.reader.tenants(after).await
    }
}
