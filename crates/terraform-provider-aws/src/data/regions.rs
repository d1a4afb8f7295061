//! AWS's regions and what is fixed about each.
//!
//! - Names and descriptions: `partitions.json` of the AWS SDKs (botocore 1.40 and later).
//! - Which regions an account must opt into:
//!   <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>
//! - Accounts of the load balancers' access logs and hosted zones of their names: hashicorp/aws 6.25,
//!   `internal/service/elb`, `serviceAccountPerRegionMap`; `internal/service/elbv2`, `hostedZoneIDPerRegionALBMap` and
//!   `hostedZoneIDPerRegionNLBMap`.

/// One region.
#[derive(Debug)]
pub(crate) struct Region {
    /// `eu-west-1`.
    pub(crate) name: &'static str,
    /// `Europe (Ireland)`.
    pub(crate) description: &'static str,
    /// Must an account opt into it?
    pub(crate) opt_in: bool,
    /// The account that writes access logs of load balancers.
    pub(crate) elb_account: Option<&'static str>,
    /// The hosted zone of the names of application and classic load balancers.
    pub(crate) alb_zone: Option<&'static str>,
    /// The hosted zone of the names of network load balancers.
    pub(crate) nlb_zone: Option<&'static str>,
}

/// All regions of the three public partitions, by name.
pub(crate) static REGIONS: &[Region] = &[
    Region {
        name: "af-south-1",
        description: "Africa (Cape Town)",
        opt_in: true,
        elb_account: Some("098369216593"),
        alb_zone: Some("Z268VQBMOI5EKX"),
        nlb_zone: Some("Z203XCE67M25HM"),
    },
    Region {
        name: "ap-east-1",
        description: "Asia Pacific (Hong Kong)",
        opt_in: true,
        elb_account: Some("754344448648"),
        alb_zone: Some("Z3DQVH9N71FHZ0"),
        nlb_zone: Some("Z12Y7K3UBGUAD1"),
    },
    Region {
        name: "ap-east-2",
        description: "Asia Pacific (Taipei)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z02789141MW7T1WBU19PO"),
        nlb_zone: Some("Z09176273OC2HWIAUNYW"),
    },
    Region {
        name: "ap-northeast-1",
        description: "Asia Pacific (Tokyo)",
        opt_in: false,
        elb_account: Some("582318560864"),
        alb_zone: Some("Z14GRHDCWA56QT"),
        nlb_zone: Some("Z31USIVHYNEOWT"),
    },
    Region {
        name: "ap-northeast-2",
        description: "Asia Pacific (Seoul)",
        opt_in: false,
        elb_account: Some("600734575887"),
        alb_zone: Some("ZWKZPGTI48KDX"),
        nlb_zone: Some("ZIBE1TIR4HY56"),
    },
    Region {
        name: "ap-northeast-3",
        description: "Asia Pacific (Osaka)",
        opt_in: false,
        elb_account: Some("383597477331"),
        alb_zone: Some("Z5LXEXXYW11ES"),
        nlb_zone: Some("Z1GWIQ4HH19I5X"),
    },
    Region {
        name: "ap-south-1",
        description: "Asia Pacific (Mumbai)",
        opt_in: false,
        elb_account: Some("718504428378"),
        alb_zone: Some("ZP97RAFLXTNZK"),
        nlb_zone: Some("ZVDDRBQ08TROA"),
    },
    Region {
        name: "ap-south-2",
        description: "Asia Pacific (Hyderabad)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z0173938T07WNTVAEPZN"),
        nlb_zone: Some("Z0711778386UTO08407HT"),
    },
    Region {
        name: "ap-southeast-1",
        description: "Asia Pacific (Singapore)",
        opt_in: false,
        elb_account: Some("114774131450"),
        alb_zone: Some("Z1LMS91P8CMLE5"),
        nlb_zone: Some("ZKVM4W9LS7TM"),
    },
    Region {
        name: "ap-southeast-2",
        description: "Asia Pacific (Sydney)",
        opt_in: false,
        elb_account: Some("783225319266"),
        alb_zone: Some("Z1GM3OXH4ZPM65"),
        nlb_zone: Some("ZCT6FZBF4DROD"),
    },
    Region {
        name: "ap-southeast-3",
        description: "Asia Pacific (Jakarta)",
        opt_in: true,
        elb_account: Some("589379963580"),
        alb_zone: Some("Z08888821HLRG5A9ZRTER"),
        nlb_zone: Some("Z01971771FYVNCOVWJU1G"),
    },
    Region {
        name: "ap-southeast-4",
        description: "Asia Pacific (Melbourne)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z09517862IB2WZLPXG76F"),
        nlb_zone: Some("Z01156963G8MIIL7X90IV"),
    },
    Region {
        name: "ap-southeast-5",
        description: "Asia Pacific (Malaysia)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z06010284QMVVW7WO5J"),
        nlb_zone: Some("Z026317210H9ACVTRO6FB"),
    },
    Region {
        name: "ap-southeast-6",
        description: "Asia Pacific (New Zealand)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z023301818UFJ50CIO0MV"),
        nlb_zone: Some("Z01392953RKV2Q3RBP0KU"),
    },
    Region {
        name: "ap-southeast-7",
        description: "Asia Pacific (Thailand)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z0390008CMBRTHFGWBCB"),
        nlb_zone: Some("Z054363131YWATEMWRG5L"),
    },
    Region {
        name: "ca-central-1",
        description: "Canada (Central)",
        opt_in: false,
        elb_account: Some("985666609251"),
        alb_zone: Some("ZQSVJUPU6J1EY"),
        nlb_zone: Some("Z2EPGBW3API2WT"),
    },
    Region {
        name: "ca-west-1",
        description: "Canada West (Calgary)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z06473681N0SF6OS049SD"),
        nlb_zone: Some("Z02754302KBB00W2LKWZ9"),
    },
    Region {
        name: "cn-north-1",
        description: "China (Beijing)",
        opt_in: false,
        elb_account: Some("638102146993"),
        alb_zone: Some("Z1GDH35T77C1KE"),
        nlb_zone: Some("Z3QFB96KMJ7ED6"),
    },
    Region {
        name: "cn-northwest-1",
        description: "China (Ningxia)",
        opt_in: false,
        elb_account: Some("037604701340"),
        alb_zone: Some("ZM7IZAIOVVDZF"),
        nlb_zone: Some("ZQEIKTCZ8352D"),
    },
    Region {
        name: "eu-central-1",
        description: "Europe (Frankfurt)",
        opt_in: false,
        elb_account: Some("054676820928"),
        alb_zone: Some("Z215JYRZR1TBD5"),
        nlb_zone: Some("Z3F0SRJ5LGBH90"),
    },
    Region {
        name: "eu-central-2",
        description: "Europe (Zurich)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z06391101F2ZOEP8P5EB3"),
        nlb_zone: Some("Z02239872DOALSIDCX66S"),
    },
    Region {
        name: "eu-north-1",
        description: "Europe (Stockholm)",
        opt_in: false,
        elb_account: Some("897822967062"),
        alb_zone: Some("Z23TAZ6LKFMNIO"),
        nlb_zone: Some("Z1UDT6IFJ4EJM"),
    },
    Region {
        name: "eu-south-1",
        description: "Europe (Milan)",
        opt_in: true,
        elb_account: Some("635631232127"),
        alb_zone: Some("Z3ULH7SSC9OV64"),
        nlb_zone: Some("Z23146JA1KNAFP"),
    },
    Region {
        name: "eu-south-2",
        description: "Europe (Spain)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z0956581394HF5D5LXGAP"),
        nlb_zone: Some("Z1011216NVTVYADP1SSV"),
    },
    Region {
        name: "eu-west-1",
        description: "Europe (Ireland)",
        opt_in: false,
        elb_account: Some("156460612806"),
        alb_zone: Some("Z32O12XQLNTSW2"),
        nlb_zone: Some("Z2IFOLAFXWLO4F"),
    },
    Region {
        name: "eu-west-2",
        description: "Europe (London)",
        opt_in: false,
        elb_account: Some("652711504416"),
        alb_zone: Some("ZHURV8PSTC4K8"),
        nlb_zone: Some("ZD4D7Y8KGAS4G"),
    },
    Region {
        name: "eu-west-3",
        description: "Europe (Paris)",
        opt_in: false,
        elb_account: Some("009996457667"),
        alb_zone: Some("Z3Q77PNBQS71R4"),
        nlb_zone: Some("Z1CMS0P5QUZ6D5"),
    },
    Region {
        name: "il-central-1",
        description: "Israel (Tel Aviv)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z09170902867EHPV2DABU"),
        nlb_zone: Some("Z0313266YDI6ZRHTGQY4"),
    },
    Region {
        name: "me-central-1",
        description: "Middle East (UAE)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z08230872XQRWHG2XF6I"),
        nlb_zone: Some("Z00282643NTTLPANJJG2P"),
    },
    Region {
        name: "me-south-1",
        description: "Middle East (Bahrain)",
        opt_in: true,
        elb_account: Some("076674570225"),
        alb_zone: Some("ZS929ML54UICD"),
        nlb_zone: Some("Z3QSRYVP46NYYV"),
    },
    Region {
        name: "me-west-1",
        description: "Middle East (Saudi Arabia)",
        opt_in: true,
        elb_account: None,
        alb_zone: None,
        nlb_zone: None,
    },
    Region {
        name: "mx-central-1",
        description: "Mexico (Central)",
        opt_in: true,
        elb_account: None,
        alb_zone: Some("Z023552324OKD1BB28BH5"),
        nlb_zone: Some("Z02031231H3ID6HYJ9A7U"),
    },
    Region {
        name: "sa-east-1",
        description: "South America (Sao Paulo)",
        opt_in: false,
        elb_account: Some("507241528517"),
        alb_zone: Some("Z2P70J7HTTTPLU"),
        nlb_zone: Some("ZTK26PT1VY4CU"),
    },
    Region {
        name: "sa-west-1",
        description: "South America (Chile)",
        opt_in: true,
        elb_account: None,
        alb_zone: None,
        nlb_zone: None,
    },
    Region {
        name: "us-east-1",
        description: "US East (N. Virginia)",
        opt_in: false,
        elb_account: Some("127311923021"),
        alb_zone: Some("Z35SXDOTRQ7X7K"),
        nlb_zone: Some("Z26RNL4JYFTOTI"),
    },
    Region {
        name: "us-east-2",
        description: "US East (Ohio)",
        opt_in: false,
        elb_account: Some("033677994240"),
        alb_zone: Some("Z3AADJGX6KTTL2"),
        nlb_zone: Some("ZLMOA37VPKANP"),
    },
    Region {
        name: "us-gov-east-1",
        description: "AWS GovCloud (US-East)",
        opt_in: false,
        elb_account: Some("190560391635"),
        alb_zone: Some("Z166TLBEWOO7G0"),
        nlb_zone: Some("Z1ZSMQQ6Q24QQ8"),
    },
    Region {
        name: "us-gov-west-1",
        description: "AWS GovCloud (US-West)",
        opt_in: false,
        elb_account: Some("048591011584"),
        alb_zone: Some("Z33AYJ8TM3BH4J"),
        nlb_zone: Some("ZMG1MZ2THAWF1"),
    },
    Region {
        name: "us-west-1",
        description: "US West (N. California)",
        opt_in: false,
        elb_account: Some("027434742980"),
        alb_zone: Some("Z368ELLRRE2KJ0"),
        nlb_zone: Some("Z24FKFUX50B4VW"),
    },
    Region {
        name: "us-west-2",
        description: "US West (Oregon)",
        opt_in: false,
        elb_account: Some("797873946194"),
        alb_zone: Some("Z1H1FL5HABSF5"),
        nlb_zone: Some("Z18D5FSROUN65G"),
    },
];

/// What is known of a region.
pub(crate) fn find(name: &str) -> Option<&'static Region> {
    REGIONS.binary_search_by_key(&name, |region| region.name).ok().map(|position| &REGIONS[position])
}

/// Availability zones of a region where there are other than three.
///
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html>
const ZONE_LETTERS: &[(&str, &str)] = &[
    ("us-east-1", "abcdef"),
    ("us-west-1", "ab"),
    ("us-west-2", "abcd"),
    ("ap-northeast-1", "acd"),
    ("ap-northeast-2", "abcd"),
    ("ca-central-1", "abd"),
];

/// The letters of a region's availability zones.
pub(crate) fn zone_letters(region: &str) -> &'static str {
    ZONE_LETTERS.iter().find(|(name, _)| *name == region).map_or("abc", |(_, letters)| letters)
}

/// The id of the `number`th availability zone, counted from 1: `euw1-az1`.
///
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html>
pub(crate) fn zone_id(region: &str, number: usize) -> String {
    let mut short = String::new();
    for part in region.split('-') {
        match part {
            "gov" => short.push('g'),
            "northeast" => short.push_str("ne"),
            "northwest" => short.push_str("nw"),
            "southeast" => short.push_str("se"),
            "southwest" => short.push_str("sw"),
            "north" | "south" | "east" | "west" | "central" => short.push_str(&part[..1]),
            other => short.push_str(other),
        }
    }
    format!("{short}-az{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_sorted_for_the_search() {
        assert!(REGIONS.is_sorted_by_key(|region| region.name));
        assert_eq!(find("eu-west-1").unwrap().description, "Europe (Ireland)");
        assert!(find("eu-west-9").is_none());
    }

    #[test]
    fn zone_ids_abbreviate_the_region() {
        assert_eq!(zone_id("us-east-1", 1), "use1-az1");
        assert_eq!(zone_id("ap-southeast-2", 3), "apse2-az3");
        assert_eq!(zone_id("us-gov-west-1", 2), "usgw1-az2");
    }
}
