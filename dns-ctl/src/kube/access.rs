//! Whether the API server can be reached, and lets this identity read what is wanted; each request is made once.

use k8s_openapi::{
    Resource as _,
    api::{core::v1, discovery::v1 as discovery},
};
use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::{ObjectList, PartialObjectMeta, Request, params::WatchParams},
};

use super::{
    ConfigMapData,
    advice::{Target, chain, rule},
    trim::{DNS_LABEL, DNS_NAMESPACE, Kind as _, Outcome},
    wanted::{Wanted, slice_selector},
    watch::living_pods,
};
use crate::zone::object::{ObjectKey, Service};

/// How long a watch that is only tried may last, in seconds.
const WATCH_SECONDS: u32 = 1;

/// What one list-and-watch of `run` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    target: Target,
    path: String,
    labels: Option<String>,
    fields: Option<String>,
}

/// What the API server, or the way to it, refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What happened.
    pub found: String,
    /// What to do about it.
    pub remedy: String,
}

impl Listing {
    /// The kind and where it is asked for, such as `services in all namespaces`.
    #[must_use]
    pub fn scope(&self) -> String {
        let resource = self.target.resource;
        match &self.target.namespace {
            Some(namespace) => format!("{resource} in the namespace {namespace}"),
            None if resource == v1::Namespace::URL_PATH_SEGMENT => resource.to_owned(),
            None => format!("{resource} in all namespaces"),
        }
    }

    fn of<K>(namespace: Option<&str>, labels: Option<String>, fields: Option<String>) -> Self
    where
        K: Resource<DynamicType = ()> + k8s_openapi::Resource,
    {
        Self {
            target: Target {
                group: <K as k8s_openapi::Resource>::GROUP,
                resource: K::URL_PATH_SEGMENT,
                namespace: namespace.map(ToOwned::to_owned),
            },
            path: K::url_path(&(), namespace),
            labels,
            fields,
        }
    }
}

/// Everything that `run` lists and watches for `wanted`.
#[must_use]
pub fn listings(wanted: &Wanted) -> Vec<Listing> {
    let only = wanted.only_namespace();
    let named = |name: &str| format!("metadata.name={name}");
    let text = |selector: &Option<super::selector::LabelSelector>| {
        selector.as_ref().map(ToString::to_string)
    };
    let mut listings = vec![
        Listing::of::<v1::Namespace>(None, text(&wanted.namespace_selector), only.map(named)),
        Listing::of::<v1::Service>(only, text(&wanted.service_selector), None),
    ];
    listings.extend(wanted.slices.iter().map(|&list| {
        let labels = slice_selector(list).map(ToString::to_string);
        Listing::of::<discovery::EndpointSlice>(only, labels, None)
    }));
    if wanted.pods {
        listings.push(Listing::of::<v1::Pod>(only, None, Some(living_pods())));
    }
    if let Some(key) = &wanted.config_map {
        let fields = Some(named(&key.name));
        listings.push(Listing::of::<v1::ConfigMap>(
            Some(&key.namespace),
            None,
            fields,
        ));
    }
    listings
}

/// The API server's version; `None` if it is there, but does not tell.
pub async fn version(client: &Client) -> Result<Option<String>, Refusal> {
    match client.apiserver_version().await {
        Ok(info) => Ok(Some(info.git_version)),
        Err(kube::Error::Api(status)) if status.code == 403 || status.code == 404 => Ok(None),
        Err(error) => Err(refusal(&error, "tell its version", None)),
    }
}

/// Lists at most one object, and begins a watch, with the selectors that `run` would use.
pub async fn try_listing(client: &Client, listing: &Listing) -> Result<(), Refusal> {
    let request = Request::new(listing.path.clone());
    let failed = |verb| move |error| refusal(&error, verb, Some(&listing.target));
    let params = ListParams {
        limit: Some(1),
        label_selector: listing.labels.clone(),
        field_selector: listing.fields.clone(),
        ..ListParams::default()
    };
    let list = request.list(&params).map_err(kube::Error::BuildRequest);
    let list = list.map_err(failed("list"))?;
    let listed: ObjectList<PartialObjectMeta> =
        client.request(list).await.map_err(failed("list"))?;
    let version = listed.metadata.resource_version.unwrap_or_default();
    let params = WatchParams {
        timeout: Some(WATCH_SECONDS),
        label_selector: listing.labels.clone(),
        field_selector: listing.fields.clone(),
        ..WatchParams::default()
    };
    let watch = request.watch(&params, &version);
    let watch = watch
        .map_err(kube::Error::BuildRequest)
        .map_err(failed("watch"))?;
    // That it begins is enough.
    let _stream = client
        .request_stream(watch)
        .await
        .map_err(failed("watch"))?;
    Ok(())
}

/// The cluster's DNS Services, as far as they are `wanted`.
pub async fn dns_services(client: &Client, wanted: &Wanted) -> Result<Vec<Service>, Refusal> {
    if wanted
        .only_namespace()
        .is_some_and(|only| only != DNS_NAMESPACE)
    {
        return Ok(Vec::new());
    }
    let (key, value) = DNS_LABEL;
    let mut labels = format!("{key}={value}");
    if let Some(selector) = &wanted.service_selector {
        labels = format!("{labels},{selector}");
    }
    let api: Api<v1::Service> = Api::namespaced(client.clone(), DNS_NAMESPACE);
    let target = Target {
        group: v1::Service::GROUP,
        resource: v1::Service::URL_PATH_SEGMENT,
        namespace: Some(DNS_NAMESPACE.to_owned()),
    };
    let listed = api.list(&ListParams::default().labels(&labels)).await;
    let listed = listed.map_err(|error| refusal(&error, "list", Some(&target)))?;
    let usable = listed.iter().filter_map(|source| {
        let trimmed = Service::trim(source);
        match trimmed.outcome {
            Outcome::Usable { object, .. } if object.is_dns => Some(object),
            _ => None,
        }
    });
    Ok(usable.collect())
}

/// What the ConfigMap holds; `None` if there is none.
pub async fn config_map(client: &Client, key: &ObjectKey) -> Result<ConfigMapData, Refusal> {
    let api: Api<v1::ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
    // Listed, as `run` does: whoever may list may not be allowed to get.
    let params = ListParams::default().fields(&format!("metadata.name={}", key.name));
    let target = Target {
        group: v1::ConfigMap::GROUP,
        resource: v1::ConfigMap::URL_PATH_SEGMENT,
        namespace: Some(key.namespace.to_string()),
    };
    let listed = api.list(&params).await;
    let listed = listed.map_err(|error| refusal(&error, "list", Some(&target)))?;
    let found = listed.items.into_iter().next();
    Ok(found.map(|config_map| config_map.data.unwrap_or_default()))
}

/// What an error means; `verb` is what was tried, and `target` what with.
fn refusal(error: &kube::Error, verb: &str, target: Option<&Target>) -> Refusal {
    let what = match target {
        None => verb.to_owned(),
        Some(Target {
            resource,
            namespace: Some(namespace),
            ..
        }) => format!("{verb} {resource} in the namespace {namespace}"),
        Some(Target { resource, .. }) => format!("{verb} {resource}"),
    };
    match (error, target) {
        (kube::Error::Api(status), Some(target)) if status.code == 403 => Refusal {
            found: format!("the API server forbids to {what}: {}", status.message),
            remedy: rule(target),
        },
        (kube::Error::Api(status), _) if status.code == 401 => Refusal {
            found: format!(
                "the API server does not accept the credentials: {}",
                status.message
            ),
            remedy: "renew the token or the kubeconfig".to_owned(),
        },
        (kube::Error::Api(status), _) => Refusal {
            found: format!(
                "the API server can't {what} now: {} {}",
                status.code, status.message
            ),
            remedy: "see what ails the API server, and try again".to_owned(),
        },
        _ => Refusal {
            found: format!(
                "the API server can't be reached to {what}: {}",
                chain(error)
            ),
            remedy: "check the API server's address, its certificate and network policies"
                .to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;
    use crate::zone::object::SliceList;

    fn told(wanted: &Wanted) -> Vec<String> {
        let text = |listing: &Listing| {
            let labels = listing.labels.as_deref().unwrap_or("-");
            let fields = listing.fields.as_deref().unwrap_or("-");
            format!("{} {labels} {fields}", listing.path)
        };
        listings(wanted).iter().map(text).collect()
    }

    #[test]
    fn what_is_tried_is_what_is_watched() {
        let few = Wanted {
            slices: vec![SliceList::Headless],
            ..Wanted::default()
        };
        assert_eq!(
            told(&few),
            [
                "/api/v1/namespaces - -",
                "/api/v1/services - -",
                "/apis/discovery.k8s.io/v1/endpointslices service.kubernetes.io/headless -",
            ]
        );
        let narrow = Wanted {
            slices: vec![SliceList::All],
            pods: true,
            namespaces: Some(["a".into()].into()),
            namespace_selector: Some("x=y".parse().unwrap()),
            service_selector: Some("p!=q".parse().unwrap()),
            config_map: Some(ObjectKey::new("kube-system", "kube-dns")),
        };
        assert_eq!(
            told(&narrow),
            [
                "/api/v1/namespaces x=y metadata.name=a",
                "/api/v1/namespaces/a/services p!=q -",
                "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices - -",
                "/api/v1/namespaces/a/pods - status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown",
                "/api/v1/namespaces/kube-system/configmaps - metadata.name=kube-dns",
            ]
        );
    }

    #[test]
    fn scopes_are_told() {
        let scopes: Vec<_> = listings(&Wanted {
            config_map: Some(ObjectKey::new("a", "b")),
            ..Wanted::default()
        })
        .iter()
        .map(Listing::scope)
        .collect();
        assert_eq!(
            scopes,
            [
                "namespaces",
                "services in all namespaces",
                "configmaps in the namespace a"
            ]
        );
    }

    #[test]
    fn a_refusal_names_verb_resource_and_remedy() {
        let target = Target {
            group: "",
            resource: "pods",
            namespace: Some("a".to_owned()),
        };
        for (code, found, remedy) in [
            (
                403,
                "forbids to watch pods in the namespace a: told so",
                "bind a Role in the namespace a",
            ),
            (401, "does not accept the credentials: told so", "renew"),
            (
                500,
                "can't watch pods in the namespace a now: 500 told so",
                "try again",
            ),
        ] {
            let status = Status {
                code,
                message: "told so".to_owned(),
                ..Status::default()
            };
            let error = kube::Error::Api(Box::new(status));
            let refusal = refusal(&error, "watch", Some(&target));
            assert!(refusal.found.contains(found), "{refusal:?}");
            assert!(refusal.remedy.contains(remedy), "{refusal:?}");
        }
    }
}
