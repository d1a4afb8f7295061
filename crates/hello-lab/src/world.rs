//! What the daemon knows: resources as Terraform applied them, and records of its own, in memory and in the store.
//!
//! [`World::change`] is the only way to change anything: a draft is written to the store first and shown to everybody
//! afterwards. Readers take a snapshot and are never in the way of a change.

mod contents;

pub use contents::{
    Contents, Deployment, InterfaceRecord, Resource, ResourceKey, ServiceRecord, TaskNetwork, TaskRecord,
    TaskWish, key_of,
};

use crate::store::{Row, Store, StoreError};
use serde::Serialize;
use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};
use terraform_provider_aws::schema::Catalogue;
use tokio::sync::watch;

/// Everything that a lab's daemon knows.
#[derive(Debug)]
pub struct World {
    store: Store,
    contents: Mutex<Arc<Contents>>,
    generation: watch::Sender<u64>,
}

/// A change in the making.
#[derive(Debug)]
pub struct Draft {
    /// As it will be.
    pub contents: Contents,
    put: Vec<Row>,
    gone: Vec<(String, String)>,
}

impl World {
    /// Reads the store.
    pub fn load(store: Store, catalogue: &Catalogue) -> Result<World, StoreError> {
        let mut contents = Contents::default();
        for row in store.load()? {
            contents.take(&row, catalogue).ok_or(StoreError::Sealed)?;
        }
        Ok(World { store, contents: Mutex::new(Arc::new(contents)), generation: watch::Sender::new(0) })
    }

    /// What is known now.
    pub fn snapshot(&self) -> Arc<Contents> {
        Arc::clone(&self.contents.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of the newest change; it only grows while the daemon lives.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Told of each change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Makes a change: `edit` works on a draft, which counts only when it returns `Ok` and the store has it.
    ///
    /// A draft that changes nothing wakes nobody.
    pub fn change<T, E: From<StoreError>>(
        &self,
        edit: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut current = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draft = Draft { contents: Contents::clone(&current), put: Vec::new(), gone: Vec::new() };
        let result = edit(&mut draft)?;
        if draft.put.is_empty() && draft.gone.is_empty() {
            return Ok(result);
        }
        self.store.change(&draft.put, &draft.gone)?;
        *current = Arc::new(draft.contents);
        drop(current);
        self.generation.send_modify(|generation| *generation += 1);
        Ok(result)
    }
}

impl Draft {
    fn put<T: Serialize>(&mut self, kind: &str, key: &str, value: &T) {
        let text = serde_json::to_string(value).expect("records have text keys and finite numbers");
        self.put.push(Row { kind: kind.to_owned(), key: key.to_owned(), text });
    }

    fn gone(&mut self, kind: &str, key: &str) {
        self.gone.push((kind.to_owned(), key.to_owned()));
    }

    /// Writes a resource, new or changed.
    pub fn put_resource(&mut self, resource: Resource) {
        let key = resource.key();
        self.put(contents::RESOURCE, &key.row(), &resource.stored());
        self.contents.resources.insert(key, Arc::new(resource));
    }

    /// Forgets a resource.
    pub fn remove_resource(&mut self, key: &ResourceKey) {
        if self.contents.resources.remove(key).is_some() {
            self.gone(contents::RESOURCE, &key.row());
        }
    }

    /// Gives an interface to its owner.
    pub fn put_interface(&mut self, owner: &str, interface: InterfaceRecord) {
        if self.contents.interfaces.get(owner) != Some(&interface) {
            self.put(contents::INTERFACE, owner, &interface);
            self.contents.interfaces.insert(owner.to_owned(), interface);
        }
    }

    /// Takes an owner's interface away.
    pub fn remove_interface(&mut self, owner: &str) {
        if self.contents.interfaces.remove(owner).is_some() {
            self.gone(contents::INTERFACE, owner);
        }
    }

    /// Writes what is known of a task.
    pub fn put_task(&mut self, id: &str, task: TaskRecord) {
        if self.contents.tasks.get(id) != Some(&task) {
            self.put(contents::TASK, id, &task);
            self.contents.tasks.insert(id.to_owned(), task);
        }
    }

    /// Forgets a task.
    pub fn remove_task(&mut self, id: &str) {
        if self.contents.tasks.remove(id).is_some() {
            self.gone(contents::TASK, id);
        }
    }

    /// Writes what is known of a service.
    pub fn put_service(&mut self, key: &str, service: ServiceRecord) {
        if self.contents.services.get(key) != Some(&service) {
            self.put(contents::SERVICE, key, &service);
            self.contents.services.insert(key.to_owned(), service);
        }
    }

    /// Forgets a service.
    pub fn remove_service(&mut self, key: &str) {
        if self.contents.services.remove(key).is_some() {
            self.gone(contents::SERVICE, key);
        }
    }

    /// Gives a public address, or the first one of a range, to its owner.
    pub fn put_address(&mut self, owner: &str, address: Ipv4Addr) {
        if self.contents.addresses.get(owner) != Some(&address) {
            self.put(contents::ADDRESS, owner, &address);
            self.contents.addresses.insert(owner.to_owned(), address);
        }
    }

    /// Takes an owner's public address away.
    pub fn remove_address(&mut self, owner: &str) {
        if self.contents.addresses.remove(owner).is_some() {
            self.gone(contents::ADDRESS, owner);
        }
    }

    /// Remembers a choice of this lab.
    pub fn put_setting(&mut self, name: &str, value: &str) {
        if self.contents.settings.get(name).map(String::as_str) != Some(value) {
            self.put(contents::SETTING, name, &value);
            self.contents.settings.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Forgets a choice of this lab.
    pub fn remove_setting(&mut self, name: &str) {
        if self.contents.settings.remove(name).is_some() {
            self.gone(contents::SETTING, name);
        }
    }

    /// Cuts an interface's owner off, or joins it again.
    pub fn set_cut(&mut self, owner: &str, cut: bool) {
        if cut && self.contents.cuts.insert(owner.to_owned()) {
            self.put(contents::CUT, owner, &true);
        } else if !cut && self.contents.cuts.remove(owner) {
            self.gone(contents::CUT, owner);
        }
    }
}

#[cfg(test)]
mod tests;
