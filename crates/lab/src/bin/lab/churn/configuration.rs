//! What is in the configuration beside what stays.

use std::fmt::Write;

use locum_lab::site::SiteConfig;

/// So many virtual routers, and so many services, come and go.
const MORE: u8 = 10;

/// The configuration of reload `number`: of the other routers, services and servers, a third is away, each time another.
pub(super) fn of(site: &SiteConfig, number: u16) -> String {
    let mut text = site.director_toml(1);
    for one in 0..MORE {
        if is_away(one, number) {
            continue;
        }
        // Writing to a String cannot fail, here and below.
        let _written = writeln!(
            text,
            "[[virtual_router]]\nname = \"r{one}\"\ninterface = \"eth0\"\nvrid = {}\npriority = {}\n\
             advert_interval = \"200ms\"\naddresses = [\"10.77.0.{}/24\"]\n",
            100 + one,
            150 + number % 50,
            120 + one
        );
    }
    for one in 0..MORE {
        if is_away(one, number.saturating_add(1)) {
            continue;
        }
        let _written = writeln!(
            text,
            "[[virtual_service]]\nname = \"s{one}\"\naddress = \"{}:{}\"\nprotocol = \"tcp\"\nscheduler = \"rr\"\n\
             forward = \"direct\"\ncheck = {{ type = \"tcp\", interval = \"1s\" }}\nserver = [",
            site.service(1).ip(),
            8000 + u16::from(one)
        );
        for server in 1..=3 {
            if !is_away(one + server, number) {
                let weight = 1 + number % 5;
                let _written = writeln!(
                    text,
                    "  {{ name = \"{server}\", address = \"10.77.0.{}\", weight = {weight} }},",
                    10 + server
                );
            }
        }
        text.push_str("]\n\n");
    }
    text
}

fn is_away(one: u8, number: u16) -> bool {
    (u16::from(one) + number).is_multiple_of(3)
}

#[cfg(test)]
mod tests {
    use locum_lab::failover::Family;
    use locum_lab::site::Method;

    use super::*;

    #[test]
    fn something_comes_and_something_goes_with_each_reload() {
        let site = SiteConfig::new(Method::Direct, Family::Ipv4);
        let [zero, one] = [0, 1].map(|number| of(&site, number));
        for (name, before, after) in [
            ("r0", false, true),
            ("r2", true, false),
            ("s2", false, true),
        ] {
            let line = format!("name = \"{name}\"\n");
            assert_eq!(
                (zero.contains(&line), one.contains(&line)),
                (before, after),
                "{name}"
            );
        }
        assert!(one.starts_with(&site.director_toml(1)));
    }
}
