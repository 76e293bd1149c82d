//! A whole local environment: the local AWS with the platform and tenants deployed, the receiver, and the operator's command.

use anyhow::Result;

use crate::acequia::Acequia;
use crate::build::Built;
use crate::deploy::{self, TenantStack};
use crate::emulator::{self, Server};
use crate::process;
use crate::receiver::Receiver;
use crate::setup::Tools;

/// A running environment; it ends when it is dropped.
pub(crate) struct Local {
    /// The local AWS.
    pub(crate) aws: Server,
    receiver_server: Server,
    /// The receiver.
    pub(crate) receiver: Receiver,
    /// The operator's command.
    pub(crate) acequia: Acequia,
}

impl Local {
    /// Brings it up: on `port`, or on a free one. With `lasting` it can outlive us.
    pub(crate) fn up(built: &Built, tenants: &[TenantStack], port: Option<u16>, lasting: bool) -> Result<Self> {
        let aws = emulator::start(port, lasting)?;
        let receiver_server = emulator::start_receiver(&built.receiver, lasting)?;
        let receiver = Receiver::new(&receiver_server.address);
        deploy::deploy_platform(&aws.address, &built.template)?;
        deploy::deploy_tenants(&aws.address, tenants)?;
        let acequia = Acequia::new(built.acequia.clone(), &aws.address);
        Ok(Self { aws, receiver_server, receiver, acequia })
    }

    /// Lets it go on without us; answers the ids of its processes.
    pub(crate) fn leave(self) -> [i32; 2] {
        let ids = [self.aws.running.id(), self.receiver_server.running.id()];
        self.aws.running.leave();
        self.receiver_server.running.leave();
        ids
    }

    /// Registers a domain that mails are sent from. On AWS its owner does so with records in the DNS.
    pub(crate) fn verify_domain(&self, domain: &str) -> Result<()> {
        let call = "import boto3, sys; boto3.client('sesv2').create_email_identity(EmailIdentity=sys.argv[1])";
        let mut command = process::command(Tools::Local.program("python"));
        command.args(["-c", call, domain]).env_clear().envs(emulator::variables(&self.aws.address));
        process::output(&mut command, "registering a domain with SES", "").map(drop)
    }

    /// The receiver's address.
    pub(crate) fn receiver_address(&self) -> &str {
        &self.receiver_server.address
    }
}
