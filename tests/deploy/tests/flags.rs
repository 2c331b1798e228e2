//! The committed manifests: dns-ctl takes the flags that its container is given, and is of the version that the image has.

use anyhow::{Context as _, Result};
use clap::Parser as _;
use deploy_tests::Release;
use dns_ctl::{
    args::{Cli, Command},
    config::Config,
};

#[test]
fn dns_ctl_takes_the_arguments_of_the_manifests() -> Result<()> {
    for release in Release::all_committed()? {
        for addresses in [
            &["192.0.2.1"][..],
            &["2001:db8::1"],
            &["192.0.2.1", "2001:db8::1"],
        ] {
            let arguments = release.arguments(addresses)?;
            let words = ["dns-ctl".to_owned()].into_iter().chain(arguments.clone());
            let cli = Cli::try_parse_from(words).with_context(|| release.name.clone())?;
            let Command::Run(run) = cli.command else {
                panic!("{} runs {arguments:?}", release.name);
            };
            Config::try_from(*run).with_context(|| release.name.clone())?;
        }
    }
    Ok(())
}

#[test]
fn the_manifests_name_the_image_of_this_version() -> Result<()> {
    for release in Release::all_committed()? {
        let image = release.container()?["image"].as_str();
        let image = image.context("a container has an image")?;
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            image.ends_with(&format!(":{version}")),
            "{image}: raise the versions in deploy/chart/Chart.yaml"
        );
    }
    Ok(())
}
