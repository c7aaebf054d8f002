pub(crate) const CASES: &[(&str, fn())] = &[("info", info)];
fn info() {
    let mut c = locum_ipvs::Client::open(locum_ipvs::Limits::default()).unwrap();
    println!("{:?}", c.info());
    println!("{:?}", c.timeouts());
    println!("{:?}", c.snapshot());
}
