//! Which addresses a tenant's endpoint may have: public ones, and none that could reach into the platform itself.
//!
//! The list follows the IANA special-purpose registries (<https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>). The check is pure; the webhook function applies it
//! to each address *after* name resolution, when it connects, so a name that resolves differently the second time gains
//! nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The most bytes of a URL that is called.
pub const MAX_URL_BYTES: usize = 2048;

/// What endpoints may be called from an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// `https` to public addresses only.
    Public,
    /// Also plain `http`, and loopback: for the local environment alone.
    Local,
}

/// Whose certificates the installation's connections trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities {
    /// Those that are public, as they were known when the program was built: reading the machine's is most of a
    /// function's start.
    Built,
    /// The machine's, where its `SSL_CERT_FILE` or `SSL_CERT_DIR` names authorities of one's own.
    Machine,
}

/// How a function reaches AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The region that it runs in.
    pub region: String,
    /// Where AWS is, if it is not AWS.
    pub endpoint: Option<String>,
    /// Whom its connections trust.
    pub authorities: Authorities,
}

/// Why a URL may not be called, as far as its text tells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableUrl {
    /// It has too many bytes.
    #[error("it has {0} bytes; at most {MAX_URL_BYTES} are taken")]
    Long(usize),
    /// It is no URL.
    #[error("it is not a URL: {0}")]
    Malformed(#[from] url::ParseError),
    /// It has a user or a password in it.
    #[error("it has a user or a password in it: leave them out")]
    Credentials,
    /// It has a fragment.
    #[error("it has a fragment (#...), which is never sent: leave it out")]
    Fragment,
    /// It has no host.
    #[error("it is not a URL with a host")]
    Hostless,
    /// It has plain `http`, to elsewhere than the machine itself.
    #[error("it must be https; http is for loopback only")]
    Plain,
    /// It has another scheme.
    #[error("it must be https, and is {0}")]
    Scheme(String),
    /// It names an address that may not be called.
    #[error("its address may not be called: {0}")]
    Refused(&'static str),
}

impl Egress {
    /// Reads a URL that is to be called later. What its name resolves to is checked when it is called.
    ///
    /// # Errors
    /// Why it may not be called.
    pub fn url(self, text: &str) -> Result<Url, UnusableUrl> {
        if text.len() > MAX_URL_BYTES {
            return Err(UnusableUrl::Long(text.len()));
        }
        let url = Url::parse(text)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UnusableUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(UnusableUrl::Fragment);
        }
        let address = match url.host() {
            None => return Err(UnusableUrl::Hostless),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        };
        let loopback = address.is_some_and(|address| address.is_loopback()) || url.host_str() == Some("localhost");
        match url.scheme() {
            "https" => {}
            "http" if self == Self::Local && loopback => {}
            "http" if self == Self::Local => return Err(UnusableUrl::Plain),
            other => return Err(UnusableUrl::Scheme(other.to_owned())),
        }
        match address.and_then(|address| self.refusal(address)) {
            Some(refusal) => Err(UnusableUrl::Refused(refusal)),
            None => Ok(url),
        }
    }

    /// Says why an address may not be called; `None` where it may.
    pub fn refusal(self, address: IpAddr) -> Option<&'static str> {
        if self == Self::Local && address.is_loopback() {
            return None;
        }
        match address {
            IpAddr::V4(v4) => refusal_v4(v4),
            IpAddr::V6(v6) => refusal_v6(v6),
        }
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "\"this network\" (0.0.0.0/8)",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [100, 64..=127, ..] => "carrier-grade NAT (100.64.0.0/10)",
        [127, ..] => "loopback",
        // 169.254.169.254 is the metadata service of AWS and others.
        [169, 254, ..] => "link-local, where the metadata service lives",
        [192, 0, 0, _] => "IETF protocol assignments (192.0.0.0/24)",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "documentation",
        [192, 88, 99, _] => "6to4 relay (192.88.99.0/24)",
        [192, 31, 196, _] | [192, 52, 193, _] | [192, 175, 48, _] => "anycast for special purposes",
        [198, 18..=19, ..] => "benchmarking (198.18.0.0/15)",
        [224..=239, ..] => "multicast",
        [240..=255, ..] => "reserved",
        _ => return None,
    })
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let embedded = |octets: [u8; 4]| refusal_v4(Ipv4Addr::from(octets)).unwrap_or("an IPv4 address in IPv6 form");
    let [.., a, b, c, d] = address.octets();
    let segments = address.segments();
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => embedded([a, b, c, d]),
        // NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056) carry an IPv4 address: refused whatever it is, because the
        // gateway decides where it goes.
        [0x64, 0xff9b, ..] => "NAT64",
        [0x2002, ..] => "6to4",
        [0x100, 0, 0, 0, ..] => "discard-only (100::/64)",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => "documentation",
        [0x2001, second, ..] if second < 0x200 => "IETF protocol assignments (2001::/23)",
        [0x2620, 0x4f, 0x8000, ..] => "anycast for special purposes",
        [0x5f00, ..] => "segment routing (5f00::/16)",
        [0xfc00..=0xfdff, ..] => "private (fc00::/7)",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xfec0..=0xfeff, ..] => "site-local",
        [0xff00..=0xffff, ..] => "multicast",
        // Only 2000::/3 is given out for unicast on the public network.
        [first, ..] if first & 0xe000 != 0x2000 => "reserved",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_purpose_address_is_refused() {
        let special = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.31.196.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ];
        for address in special {
            let address: IpAddr = address.parse().unwrap();
            assert!(Egress::Public.refusal(address).is_some(), "{address} was allowed");
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for address in [
            "8.8.8.8",
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
        ] {
            assert_eq!(Egress::Public.refusal(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn the_local_environment_reaches_loopback_and_nothing_else_more() {
        assert_eq!(Egress::Local.refusal("127.0.0.1".parse().unwrap()), None);
        assert_eq!(Egress::Local.refusal("::1".parse().unwrap()), None);
        assert!(Egress::Local.refusal("10.0.0.1".parse().unwrap()).is_some());
        assert!(Egress::Local.refusal("169.254.169.254".parse().unwrap()).is_some());
    }
}
