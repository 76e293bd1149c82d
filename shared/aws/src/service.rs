//! Where a service is called that the project has no SDK crate of.

/// A service by its name in signatures, with its endpoint's when that is another.
///
/// Endpoints are those of the partitions `aws`, `aws-cn`, `aws-us-gov` and the European sovereign cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    pub(crate) signs_as: &'static str,
    pub(crate) host: &'static str,
    /// Whether all regions share one endpoint.
    pub(crate) global: bool,
}

impl Service {
    /// One with an endpoint in each region.
    pub const fn regional(signs_as: &'static str, host: &'static str) -> Self {
        Self { signs_as, host, global: false }
    }

    /// Where it is called, and the region that the signature names.
    pub(crate) fn place(self, region: &str) -> (String, String) {
        let (suffix, home) = match region {
            region if region.starts_with("cn-") => ("amazonaws.com.cn", "cn-north-1"),
            region if region.starts_with("us-gov-") => ("amazonaws.com", "us-gov-west-1"),
            region if region.starts_with("eusc-") => ("amazonaws.eu", "eusc-de-east-1"),
            _ => ("amazonaws.com", "us-east-1"),
        };
        let host = self.host;
        match (self.global, home) {
            (false, _) => (format!("https://{host}.{region}.{suffix}"), region.to_owned()),
            (true, "us-east-1") => (format!("https://{host}.{suffix}"), home.to_owned()),
            (true, "us-gov-west-1") => (format!("https://{host}.us-gov.{suffix}"), home.to_owned()),
            (true, _) => (format!("https://{host}.{home}.{suffix}"), home.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_called_where_its_partition_has_it() {
        let lambda = Service::regional("lambda", "lambda");
        let iam = Service { global: true, ..Service::regional("iam", "iam") };
        for (service, region, url, signed_for) in [
            (lambda, "eu-west-1", "https://lambda.eu-west-1.amazonaws.com", "eu-west-1"),
            (lambda, "cn-north-1", "https://lambda.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (iam, "eu-west-1", "https://iam.amazonaws.com", "us-east-1"),
            (iam, "us-gov-east-1", "https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
            (iam, "cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ] {
            assert_eq!(service.place(region), (url.to_owned(), signed_for.to_owned()), "{region}");
        }
    }
}
