//! Changes of a zone that keep it whole: every ancestor of a name exists, and every pointer has its name.

use std::sync::Arc;

use super::{
    Node, Pointers, Touched, Zone, name::RelativeName, records::Records, service::Pointer,
};

impl Zone {
    /// Gives `name` these records, or takes its own away; notes the names that this may change.
    pub(super) fn set(
        &mut self,
        name: RelativeName,
        records: Option<Records>,
        touched: &mut Touched,
    ) {
        if name.is_apex() {
            return;
        }
        let old = self.nodes.get(&name);
        let existed = old.is_some();
        let children = old.map_or(0, |node| node.children);
        let exists = records.is_some() || children > 0;
        if existed == exists && old.and_then(|node| node.records.as_ref()) == records.as_ref() {
            return;
        }
        touched.names.insert(name.clone());
        self.replace(name, Node { records, children }, existed, touched);
    }

    fn count_child(&mut self, name: RelativeName, added: bool, touched: &mut Touched) {
        if name.is_apex() {
            return;
        }
        let old = self.nodes.get(&name);
        let existed = old.is_some();
        let mut node = old.map_or_else(Node::default, |node| node.as_ref().clone());
        node.children = if added {
            node.children + 1
        } else {
            node.children.saturating_sub(1)
        };
        self.replace(name, node, existed, touched);
    }

    fn replace(&mut self, name: RelativeName, node: Node, existed: bool, touched: &mut Touched) {
        let exists = node.records.is_some() || node.children > 0;
        let parent = name.parent();
        if exists != existed {
            touched.names.insert(name.clone());
        }
        if exists {
            self.nodes.insert(name, Arc::new(node));
        } else {
            self.nodes.remove(&name);
        }
        if let Some(parent) = parent
            && exists != existed
        {
            self.count_child(parent, exists, touched);
        }
    }

    /// Adds a pointer or takes it away; notes the address whose pointers this may change.
    pub(super) fn point(&mut self, pointer: &Pointer, exists: bool, touched: &mut Touched) {
        let old = self.pointers.get(&pointer.address);
        let mut pointers = old.map_or_else(Pointers::default, |old| old.as_ref().clone());
        let names = if pointer.of_cluster_ip {
            &mut pointers.services
        } else {
            &mut pointers.endpoints
        };
        match (names.binary_search(&pointer.name), exists) {
            (Err(at), true) => names.insert(at, pointer.name.clone()),
            (Ok(at), false) => {
                names.remove(at);
            }
            (Ok(_), true) | (Err(_), false) => return,
        }
        touched.addresses.insert(pointer.address);
        if pointers == Pointers::default() {
            self.pointers.remove(&pointer.address);
        } else {
            self.pointers.insert(pointer.address, Arc::new(pointers));
        }
    }
}
