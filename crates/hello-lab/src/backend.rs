//! What Terraform's provider applies to: resources are stored first, then whoever applies waits for the parts.
//!
//! An apply that was cut short (the daemon killed, Terraform killed) leaves a resource that Terraform may not know of.
//! It is taken up by the next creation with the same configuration in a later run, so that nothing is made twice.

mod refusals;
mod waits;

use crate::{
    board::{Board, Until, WaitError},
    controllers::Context,
    database::Databases,
    events::{Events, now},
    meaning::{catalogue, interfaces, log_groups, secrets, task_definitions, values},
    store::StoreError,
    world::{Draft, Resource, ResourceKey, World, key_of},
};
use refusals::{
    cannot_go, failed, fits, gone, invalid_parameter, modelled, name_taken, not_modelled, not_settled,
    parameter_group, protection, refuse_with_network, refused_by_network,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use terraform_provider_aws::{
    backend::{Backend, Change, Existing, NotApplied, Secret, SecretRequest},
    diagnostic::Diagnostic,
    schema::TypeSchema,
    value::Value,
};
use waits::Wait;

/// The lab as a backend of the provider.
#[derive(Debug)]
pub struct LabBackend {
    mark: String,
    world: Arc<World>,
    board: Arc<Board>,
    events: Arc<Events>,
    databases: Databases,
    /// Counts configurations of the provider: each run of Terraform has later ones than the run before.
    run: AtomicU64,
    in_flight: Mutex<BTreeSet<ResourceKey>>,
    /// Creations that were answered, with the run that asked for them. Terraform knows of them, though it may not read
    /// them again (`-target`, `-refresh=false`).
    answered: Mutex<BTreeMap<ResourceKey, u64>>,
}

/// Why a change was not stored.
#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Allocation(#[from] interfaces::AllocationError),
    #[error("{0}")]
    Refused(String),
}

/// Takes a resource out of the set of those in flight, however its apply ends.
struct InFlight<'a> {
    set: &'a Mutex<BTreeSet<ResourceKey>>,
    key: ResourceKey,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// The name that marks state as made in this lab.
pub fn mark(lab: &str) -> String {
    format!("lab {lab}")
}

impl LabBackend {
    /// The backend of a lab.
    pub fn new(context: &Context) -> LabBackend {
        LabBackend {
            mark: mark(context.lab.name()),
            world: Arc::clone(&context.world),
            board: Arc::clone(&context.board),
            events: Arc::clone(&context.events),
            databases: context.databases.clone(),
            // Later than any run of an earlier daemon.
            run: AtomicU64::new(now()),
            in_flight: Mutex::default(),
            answered: Mutex::default(),
        }
    }

    fn in_flight(&self, key: ResourceKey) -> InFlight<'_> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        InFlight { set: &self.in_flight, key }
    }

    /// Refuses a parameter group that no instance could have.
    async fn tried(&self, change: &Change) -> Result<(), Diagnostic> {
        let group = parameter_group(&change.schema, &change.config);
        let Some((major, parameters)) = group else { return Ok(()) };
        let tried = self.databases.try_group(major, &parameters).await;
        tried.map_err(|error| invalid_parameter(&change.schema, &error))
    }

    async fn create(&self, change: &Change) -> Result<Value, NotApplied> {
        modelled(change)?;
        self.tried(change).await?;
        let run = self.run.load(Ordering::Relaxed);
        let stored = self.world.change(|draft| {
            self.acknowledge(draft, run);
            let refused_before = refused_by_network(&draft.contents, &change.schema.name);
            let resource = match self.cut_short(draft, change, run) {
                // What is write-only counts as Terraform gives it now: elsewhere it has this value too.
                Some(found) => Resource {
                    config: change.config.clone(),
                    made_in: run,
                    deleting: false,
                    ..Resource::clone(&found)
                },
                None => new_resource(draft, change, run)?,
            };
            fits(&draft.contents, &resource)?;
            let state = resource.state.clone();
            draft.put_resource(resource);
            interfaces::allocate(draft)?;
            refuse_with_network(draft, &change.schema.name, &refused_before)?;
            Ok::<_, ChangeError>(state)
        });
        let state = stored.map_err(|error| failed(&change.schema, &error))?;
        let key = key_of(&change.schema.name, &change.place.region, &state);
        let _in_flight = self.in_flight(key.clone());
        self.events.tell("terraform", &format!("create {key}"));
        match self.settle(waits::after_change(&change.schema.name, &key.region, &state)).await {
            Ok(()) => {
                self.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), run);
                Ok(self.current(&key).unwrap_or(state))
            }
            Err(WaitError::Failed { reason, .. }) if waits::is_refused_at_once(&key.type_name) => {
                // Its own protection does not keep what never was. Whatever becomes of that, the reason is what counts.
                let removed = self.remove(&change.schema, &key).await;
                let made = if removed.is_ok() { None } else { self.current(&key) };
                Err(NotApplied { diagnostic: failed(&change.schema, &ChangeError::Refused(reason)), made })
            }
            Err(error) => Err(NotApplied {
                diagnostic: not_settled(&change.schema, &key, &error),
                made: self.current(&key),
            }),
        }
    }

    /// Writes down that Terraform knows of what was answered in earlier runs: their answers have long arrived.
    fn acknowledge(&self, draft: &mut Draft, run: u64) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.retain(|key, answered_in| {
            let stays = *answered_in >= run;
            if !stays {
                acknowledge(draft, key);
            }
            stays
        });
    }

    /// A resource that an earlier run asked for in the same words, and that Terraform has neither got as an answer nor ever
    /// come back to.
    fn cut_short(&self, draft: &Draft, change: &Change, run: u64) -> Option<Arc<Resource>> {
        let wanted = visible(&change.schema, &change.config);
        let in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut candidates = draft.contents.of_type(&change.schema.name);
        let found = candidates.find(|resource| {
            !resource.acknowledged
                && !answered.contains_key(&resource.key())
                && resource.made_in < run
                && resource.region == change.place.region
                && !in_flight.contains(&resource.key())
                && visible(&change.schema, &resource.config) == wanted
        });
        found.cloned()
    }

    async fn update(&self, change: &Change) -> Result<Value, Diagnostic> {
        modelled(change)?;
        self.tried(change).await?;
        let (type_name, region) = (&change.schema.name, &change.place.region);
        let key = key_of(type_name, region, &change.prior);
        let mut state = change.made_up();
        let stored = self.world.change(|draft| {
            let refused_before = refused_by_network(&draft.contents, type_name);
            catalogue::complete(draft, change, &mut state)?;
            let known = draft.contents.resources.get(&key).cloned();
            let known = known.ok_or_else(|| gone(&key))?;
            let resource = Resource {
                config: kept_secrets(change, &known.config),
                state: state.clone(),
                acknowledged: true,
                deleting: false,
                ..Resource::clone(&known)
            };
            fits(&draft.contents, &resource)?;
            let new_key = resource.key();
            if new_key != key {
                draft.remove_resource(&key);
            }
            draft.put_resource(resource);
            interfaces::allocate(draft)?;
            refuse_with_network(draft, type_name, &refused_before)?;
            Ok::<_, ChangeError>(new_key)
        });
        let key = stored.map_err(|error| failed(&change.schema, &error))?;
        let _in_flight = self.in_flight(key.clone());
        self.events.tell("terraform", &format!("update {key}"));
        let settled = self.settle(waits::after_change(type_name, &key.region, &state)).await;
        settled.map_err(|error| not_settled(&change.schema, &key, &error))?;
        Ok(self.current(&key).unwrap_or(state))
    }

    async fn delete(&self, change: &Change) -> Result<Value, Diagnostic> {
        let key = key_of(&change.schema.name, &change.place.region, &change.prior);
        if let Some(reason) = self.world.snapshot().resources.get(&key).and_then(|known| protection(known)) {
            return Err(failed(&change.schema, &ChangeError::Refused(reason)));
        }
        let _in_flight = self.in_flight(key.clone());
        self.remove(&change.schema, &key).await?;
        Ok(Value::Null)
    }

    /// Ends a resource's parts, then forgets it.
    async fn remove(&self, schema: &TypeSchema, key: &ResourceKey) -> Result<(), Diagnostic> {
        let marked = self.world.change(|draft| {
            let Some(known) = draft.contents.resources.get(key).cloned() else { return Ok(None) };
            draft.put_resource(Resource { deleting: true, ..Resource::clone(&known) });
            Ok(Some(known))
        });
        let Some(known) = marked.map_err(|error| failed(schema, &error))? else { return Ok(()) };
        self.events.tell("terraform", &format!("delete {key}"));
        match self.settle(waits::before_removal(&known)).await {
            Ok(()) => {}
            Err(WaitError::Failed { reason, .. }) => {
                self.keep(key).map_err(|error| failed(schema, &error))?;
                return Err(cannot_go(schema, key, &reason));
            }
            Err(error) => return Err(not_settled(schema, key, &error)),
        }
        let removed = self.world.change(|draft| {
            draft.remove_resource(key);
            match key.type_name.as_str() {
                task_definitions::TYPE => task_definitions::retire(draft, &known),
                "aws_cloudwatch_log_group" => log_groups::forgotten(draft, &known),
                _ => {}
            }
            interfaces::allocate(draft)?;
            Ok::<_, ChangeError>(())
        });
        removed.map_err(|error| failed(schema, &error))?;
        let settled = self.settle(waits::after_removal(&key.type_name)).await;
        settled.map_err(|error| not_settled(schema, key, &error))
    }

    /// Takes a deletion back that was refused before anything was ended, as AWS refuses one: the resource is as it was,
    /// and can be changed.
    fn keep(&self, key: &ResourceKey) -> Result<(), ChangeError> {
        self.world.change(|draft| {
            if let Some(known) = draft.contents.resources.get(key).cloned() {
                draft.put_resource(Resource { deleting: false, ..Resource::clone(&known) });
            }
            Ok(())
        })
    }

    /// Waits for the parts of a change.
    async fn settle(&self, waits: Vec<Wait>) -> Result<(), WaitError> {
        let generation = self.world.generation();
        for wait in waits {
            let until = if wait.gone { Until::Gone(generation) } else { Until::Ready(generation) };
            self.board.wait(&wait.part, until, wait.limit).await?;
        }
        Ok(())
    }

    fn current(&self, key: &ResourceKey) -> Option<Value> {
        self.world.snapshot().resources.get(key).map(|resource| resource.state.clone())
    }
}

/// Writes down that Terraform knows of a resource, whatever became of it meanwhile.
fn acknowledge(draft: &mut Draft, key: &ResourceKey) {
    let known = draft.contents.resources.get(key).filter(|known| !known.acknowledged).cloned();
    if let Some(known) = known {
        draft.put_resource(Resource { acknowledged: true, ..Resource::clone(&known) });
    }
}

fn new_resource(draft: &mut Draft, change: &Change, run: u64) -> Result<Resource, ChangeError> {
    let (type_name, region) = (&change.schema.name, &change.place.region);
    let mut state = made_up(draft, change);
    catalogue::complete(draft, change, &mut state)?;
    let resource = Resource {
        type_name: type_name.clone(),
        region: region.clone(),
        state,
        config: change.config.clone(),
        acknowledged: false,
        made_in: run,
        // Later than any other of its type, so that there is a newest one.
        made_at: draft.contents.of_type(type_name).map(|other| other.made_at + 1).fold(now(), u64::max),
        deleting: false,
    };
    let key = resource.key();
    if draft.contents.resources.contains_key(&key) || name_taken(&draft.contents, &resource) {
        let name = ["identifier", "name"].iter().find_map(|name| resource.state.get(name).non_empty());
        let name = name.unwrap_or(&key.id);
        return Err(ChangeError::Refused(format!(
            "{region} has a resource {type_name} named {name:?} already: import it, or choose another name"
        )));
    }
    Ok(resource)
}

/// The planned state made up.
fn made_up(draft: &mut Draft, change: &Change) -> Value {
    if change.schema.name != task_definitions::TYPE || !change.planned.get("revision").is_unknown() {
        return change.made_up();
    }
    let family = change.planned.get("family").as_str().unwrap_or_default();
    let revision = task_definitions::next_revision(draft, &change.place.region, family);
    let mut numbered = change.clone();
    numbered.planned.set("revision", revision.into());
    numbered.made_up()
}

/// The configuration without write-only values, which differ from run to run.
fn visible(schema: &TypeSchema, config: &Value) -> Value {
    let mut visible = config.clone();
    schema.block.normalise(&mut visible);
    visible
}

/// The new configuration, in which a write-only value stays as it was while its version does.
fn kept_secrets(change: &Change, before: &Value) -> Value {
    let mut config = change.config.clone();
    for (name, attribute) in &change.schema.block.attributes {
        let version = format!("{name}_version");
        if attribute.write_only && change.prior.get(&version) == change.planned.get(&version) {
            config.set(name, before.get(name).clone());
        }
    }
    config
}

#[async_trait::async_trait]
impl Backend for LabBackend {
    fn mark(&self) -> Option<&str> {
        Some(&self.mark)
    }

    fn warning(&self) -> Option<Diagnostic> {
        self.run.fetch_add(1, Ordering::Relaxed);
        None
    }

    async fn remarks(&self, schema: &TypeSchema, prior: &Value, config: &Value) -> Vec<Diagnostic> {
        // One summary for all, so that Terraform shows them as one where it may.
        const SUMMARY: &str = "Recorded, not modelled";
        if catalogue::depth(&schema.name) == catalogue::Depth::Recorded {
            let detail =
                format!("The lab keeps this {} and returns it exactly; it does nothing here.", schema.name);
            return vec![Diagnostic::warning(SUMMARY, detail)];
        }
        let refused = values::refused(&schema.name, config);
        if !refused.is_empty() {
            return vec![not_modelled(schema, &refused)];
        }
        if let Some((major, parameters)) = parameter_group(schema, config)
            && let Err(error) = self.databases.check_group(major, &parameters).await
        {
            return vec![invalid_parameter(schema, &error)];
        }
        let mut remarks = Vec::new();
        if let Some(sentence) = values::sooner(&schema.name, prior, config) {
            remarks.push(Diagnostic::warning("Changed at once", sentence));
        }
        let arguments = catalogue::not_modelled(&schema.name, config);
        if !arguments.is_empty() {
            let detail = format!(
                "Of this {} the lab keeps, and returns exactly, what has no effect here: {}.",
                schema.name,
                arguments.join(", ")
            );
            remarks.push(Diagnostic::warning(SUMMARY, detail));
        }
        remarks
    }

    async fn apply(&self, change: Change) -> Result<Value, NotApplied> {
        if change.planned.is_null() {
            Ok(self.delete(&change).await?)
        } else if change.prior.is_null() {
            self.create(&change).await
        } else {
            Ok(self.update(&change).await?)
        }
    }

    async fn read(&self, existing: Existing) -> Result<Value, Diagnostic> {
        let Existing { schema, place, state, imported } = existing;
        let key = key_of(&schema.name, &place.region, &state);
        let contents = self.world.snapshot();
        // What an import's identifier says need not be `id`: a route has a table and a destination.
        let says_so = |resource: &&Arc<Resource>| {
            let mut said = state.entries().into_iter().flatten().filter(|(_, value)| !value.is_null());
            said.all(|(name, value)| *value == Value::List(Vec::new()) || resource.state.get(name) == value)
        };
        let found = if imported {
            contents.of_type(&schema.name).find(says_so)
        } else {
            contents.resources.get(&key).or_else(|| contents.get(&schema.name, &key.id))
        };
        let Some(resource) = found else { return Ok(Value::Null) };
        if resource.deleting {
            // Its deletion was cut short. It counts as gone once its parts are: what it stood on goes next.
            if !task_definitions::is_retired(resource) {
                let key = resource.key();
                let _in_flight = self.in_flight(key.clone());
                if let Err(refusal) = self.remove(&schema, &key).await {
                    // One that was refused is there as before. It can be changed, so that it can be deleted after all.
                    let stays = self.world.snapshot().resources.get(&key).cloned();
                    let stays = stays.filter(|resource| !resource.deleting);
                    return stays.map(|resource| resource.state.clone()).ok_or(refusal);
                }
            }
            return Ok(Value::Null);
        }
        if !resource.acknowledged {
            let stored = self.world.change(|draft| {
                acknowledge(draft, &resource.key());
                Ok::<_, ChangeError>(())
            });
            stored.map_err(|error| failed(&schema, &error))?;
        }
        Ok(resource.state.clone())
    }

    async fn secret(&self, request: SecretRequest) -> Result<Secret, Diagnostic> {
        let contents = self.world.snapshot();
        let wanted =
            secrets::Version { id: request.version_id.as_deref(), stage: request.version_stage.as_deref() };
        let found = secrets::version(&contents, &request.secret_id, wanted);
        let found = found.and_then(|version| Some((version, secrets::text(version)?)));
        let Some((version, text)) = found else {
            return Err(Diagnostic::error(
                "Secret not found",
                format!(
                    "Secrets Manager can't find the version of the secret {:?} that is asked for: is it applied?",
                    request.secret_id
                ),
            ));
        };
        let arn = secrets::secret(&contents, &request.secret_id).map(|secret| secret.text("arn").to_owned());
        let stages = version.state.get("version_stages").texts();
        Ok(Secret {
            arn: arn.unwrap_or(request.secret_id),
            version_id: version.text("version_id").to_owned(),
            secret_string: text.reveal().to_owned(),
            version_stages: if stages.is_empty() {
                vec!["AWSCURRENT".to_owned()]
            } else {
                stages.into_iter().map(str::to_owned).collect()
            },
            created_date: rfc3339(version.made_at),
        })
    }
}

/// A moment in RFC 3339, from milliseconds since 1970.
fn rfc3339(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days, by the method of Howard Hinnant: http://howardhinnant.github.io/date_algorithms.html
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests;
