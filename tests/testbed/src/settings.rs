//! The environment of a program under test.

use std::process::Command;

/// Takes from a command what dns-ctl would read as a setting from this process's environment.
pub fn remove_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let is_setting = name.to_str().is_some_and(|name| name.starts_with("KXDNS_"));
        if is_setting || name == "KUBECONFIG" {
            command.env_remove(name);
        }
    }
}
