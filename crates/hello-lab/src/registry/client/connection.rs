//! Connections to a registry, and how its address is found.

use super::{error::Error, in_time};
use crate::timeouts;
use bytes::Bytes;
use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, net::Ipv4Addr, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How the address of a host is found.
#[derive(Clone, Copy, Debug)]
pub enum Resolve {
    /// It is known.
    Given(Ipv4Addr),
    /// This server is asked.
    Through(Ipv4Addr),
}

/// A connection to `authority` (a host, and a port where it is not 443) that has proven who it is.
pub(super) async fn connect(
    authority: &str,
    resolve: Resolve,
    tls: Arc<ClientConfig>,
) -> Result<SendRequest<Full<Bytes>>, Error> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, port),
            Err(_) => return Err(Error::Answer(format!("{authority} has no valid port"))),
        },
        None => (authority, 443),
    };
    let address = match resolve {
        Resolve::Given(address) => address,
        Resolve::Through(resolver) => look_up(host, resolver).await?,
    };
    let refused = |cause| Error::Connect { address, port, cause };
    let stream =
        match tokio::time::timeout(timeouts::REGISTRY_CONNECT, TcpStream::connect((address, port))).await {
            Ok(stream) => stream.map_err(refused)?,
            Err(_) => return Err(refused(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout"))),
        };
    let unproven = |cause| Error::Tls { host: host.to_owned(), cause };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| unproven(io::Error::other(error)))?;
    let stream = in_time(host, timeouts::REGISTRY_ANSWER, async {
        TlsConnector::from(tls).connect(name, stream).await.map_err(unproven)
    })
    .await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|cause| Error::Broken { host: host.to_owned(), cause })?;
    // It ends with the sender; what breaks is reported to the request that is under way.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// The address of a host, asked of this server and of no other.
async fn look_up(name: &str, resolver: Ipv4Addr) -> Result<Ipv4Addr, Error> {
    if let Ok(address) = name.parse() {
        return Ok(address);
    }
    let failed = |cause: String| Error::Name { name: name.to_owned(), resolver, cause };
    let servers = vec![NameServerConfig::udp_and_tcp(resolver.into())];
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4Only;
    options.timeout = timeouts::DNS_ANSWER;
    options.attempts = 2;
    let asked = builder.build().map_err(|error| failed(error.to_string()))?;
    // The dot at the end keeps a resolver from trying other names.
    let addresses = asked.lookup_ip(format!("{name}.")).await.map_err(|error| {
        failed(if error.is_no_records_found() || error.is_nx_domain() {
            "no such host".to_owned()
        } else {
            error.to_string()
        })
    })?;
    let address = addresses.iter().find_map(|address| match address {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    });
    address.ok_or_else(|| failed("no such host".to_owned()))
}
