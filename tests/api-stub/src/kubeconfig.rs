//! Kubeconfig files: JSON, which is YAML too.

use serde_json::json;

/// Name of the one cluster, user and context in the files written here.
pub const CONTEXT: &str = "api-stub";

/// A kubeconfig for a server; `token` is sent as a bearer token, and TLS certificates are not checked.
#[must_use]
pub fn kubeconfig(url: &str, token: Option<&str>) -> String {
    let mut cluster = json!({ "server": url });
    if url.starts_with("https://") {
        cluster["insecure-skip-tls-verify"] = true.into();
    }
    let user = token.map_or_else(|| json!({}), |token| json!({ "token": token }));
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": CONTEXT, "cluster": cluster }],
        "users": [{ "name": CONTEXT, "user": user }],
        "contexts": [{ "name": CONTEXT, "context": { "cluster": CONTEXT, "user": CONTEXT, "namespace": "default" } }],
        "current-context": CONTEXT,
    });
    format!("{config:#}\n")
}
