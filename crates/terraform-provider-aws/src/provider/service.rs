//! The protocol's calls, each handed to the module of its kind.

use super::{
    Connection, Provider, Role, Settings,
    answer::answer,
    resources::{messages, received},
};
use crate::{
    diagnostic::Diagnostic,
    proto::{
        ServerCapabilities, apply_resource_change, call_function, close_ephemeral_resource,
        configure_provider, get_functions, get_metadata, get_provider_schema, get_resource_identity_schemas,
        import_resource_state, move_resource_state, open_ephemeral_resource, plan_resource_change,
        provider_server, read_data_source, read_resource, renew_ephemeral_resource, stop_provider,
        upgrade_resource_identity, upgrade_resource_state, validate_data_resource_config,
        validate_ephemeral_resource_config, validate_provider_config, validate_resource_config,
    },
    schema::SchemaAnswer,
};
use std::sync::Arc;
use tonic::{Request, Response, Status, transport::server::TlsConnectInfo};

type Reply<T> = Result<Response<T>, Status>;

/// The connection that a request came by, in the clear or by TLS.
fn connection<T>(request: &Request<T>) -> Arc<Connection> {
    let extensions = request.extensions();
    let plain = extensions.get::<Arc<Connection>>();
    let connection =
        plain.or_else(|| extensions.get::<TlsConnectInfo<Arc<Connection>>>().map(TlsConnectInfo::get_ref));
    connection.cloned().unwrap_or_default()
}

fn split<T>(request: Request<T>) -> (Arc<Settings>, T) {
    (connection(&request).settings(), request.into_inner())
}

fn refused_by_name(name: &str) -> Diagnostic {
    Diagnostic::error(
        "Provider not available offline",
        format!(
            "The configuration needs the provider {name:?}, but only hashicorp/aws and hashicorp/random are served \
             here: remove its resources, or run this configuration with the registry's providers."
        ),
    )
}

#[tonic::async_trait]
impl provider_server::Provider for Provider {
    async fn get_metadata(&self, _: Request<get_metadata::Request>) -> Reply<get_metadata::Response> {
        let catalogue = &self.catalogue;
        let own = |name: &str| name.to_owned();
        Ok(Response::new(get_metadata::Response {
            server_capabilities: Some(ServerCapabilities {
                plan_destroy: true,
                get_provider_schema_optional: true,
                move_resource_state: true,
            }),
            diagnostics: Vec::new(),
            data_sources: catalogue
                .data_source_names()
                .map(|name| get_metadata::DataSourceMetadata { type_name: own(name) })
                .collect(),
            resources: catalogue
                .resource_names()
                .map(|name| get_metadata::ResourceMetadata { type_name: own(name) })
                .collect(),
            functions: catalogue
                .functions()
                .into_keys()
                .map(|name| get_metadata::FunctionMetadata { name })
                .collect(),
            ephemeral_resources: catalogue
                .ephemeral_names()
                .map(|name| get_metadata::EphemeralResourceMetadata { type_name: own(name) })
                .collect(),
        }))
    }

    async fn get_provider_schema(&self, _: Request<get_provider_schema::Request>) -> Reply<SchemaAnswer> {
        Ok(Response::new(match &self.role {
            Role::Other(name) => SchemaAnswer::refused(vec![refused_by_name(name).into()]),
            Role::Aws | Role::Random => self.catalogue.answer(),
        }))
    }

    async fn validate_provider_config(
        &self,
        _: Request<validate_provider_config::Request>,
    ) -> Reply<validate_provider_config::Response> {
        Ok(Response::new(validate_provider_config::Response::default()))
    }

    async fn configure_provider(
        &self,
        request: Request<configure_provider::Request>,
    ) -> Reply<configure_provider::Response> {
        let connection = connection(&request);
        let request = request.into_inner();
        answer(async {
            let config = received(request.config.as_ref(), &self.catalogue.provider())?;
            let diagnostics = messages(self.configure(&config, &connection)?);
            Ok(configure_provider::Response { diagnostics })
        })
        .await
    }

    async fn stop_provider(&self, _: Request<stop_provider::Request>) -> Reply<stop_provider::Response> {
        Ok(Response::new(stop_provider::Response::default()))
    }

    async fn validate_resource_config(
        &self,
        request: Request<validate_resource_config::Request>,
    ) -> Reply<validate_resource_config::Response> {
        answer(async { self.validate_resource(request.get_ref()) }).await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<upgrade_resource_state::Request>,
    ) -> Reply<upgrade_resource_state::Response> {
        answer(async { self.upgrade_resource(request.get_ref()) }).await
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<get_resource_identity_schemas::Request>,
    ) -> Reply<get_resource_identity_schemas::Response> {
        Ok(Response::new(get_resource_identity_schemas::Response::default()))
    }

    async fn upgrade_resource_identity(
        &self,
        _: Request<upgrade_resource_identity::Request>,
    ) -> Reply<upgrade_resource_identity::Response> {
        Err(Status::unimplemented("no resource type has an identity schema here"))
    }

    async fn read_resource(
        &self,
        request: Request<read_resource::Request>,
    ) -> Reply<read_resource::Response> {
        let (settings, request) = split(request);
        answer(async { self.read_resource(&settings, request).await }).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<plan_resource_change::Request>,
    ) -> Reply<plan_resource_change::Response> {
        let connection = connection(&request);
        answer(async { self.plan_resource(&connection, request.into_inner()).await }).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<apply_resource_change::Request>,
    ) -> Reply<apply_resource_change::Response> {
        let (settings, request) = split(request);
        answer(async { self.apply_resource(&settings, request).await }).await
    }

    async fn import_resource_state(
        &self,
        request: Request<import_resource_state::Request>,
    ) -> Reply<import_resource_state::Response> {
        let (settings, request) = split(request);
        answer(async { self.import_resource(&settings, request) }).await
    }

    async fn move_resource_state(
        &self,
        request: Request<move_resource_state::Request>,
    ) -> Reply<move_resource_state::Response> {
        answer(async { Self::refuse_move(request.get_ref()) }).await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<validate_data_resource_config::Request>,
    ) -> Reply<validate_data_resource_config::Response> {
        answer(async { self.validate_data_source(request.get_ref()) }).await
    }

    async fn read_data_source(
        &self,
        request: Request<read_data_source::Request>,
    ) -> Reply<read_data_source::Response> {
        let (settings, request) = split(request);
        answer(async { self.read_data_source(&settings, request).await }).await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<validate_ephemeral_resource_config::Request>,
    ) -> Reply<validate_ephemeral_resource_config::Response> {
        answer(async { self.validate_ephemeral(request.get_ref()) }).await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<open_ephemeral_resource::Request>,
    ) -> Reply<open_ephemeral_resource::Response> {
        let (settings, request) = split(request);
        answer(async { self.open_ephemeral(&settings, request).await }).await
    }

    async fn renew_ephemeral_resource(
        &self,
        _: Request<renew_ephemeral_resource::Request>,
    ) -> Reply<renew_ephemeral_resource::Response> {
        Ok(Response::new(renew_ephemeral_resource::Response::default()))
    }

    async fn close_ephemeral_resource(
        &self,
        _: Request<close_ephemeral_resource::Request>,
    ) -> Reply<close_ephemeral_resource::Response> {
        Ok(Response::new(close_ephemeral_resource::Response::default()))
    }

    async fn get_functions(&self, _: Request<get_functions::Request>) -> Reply<get_functions::Response> {
        let functions = self.catalogue.functions();
        Ok(Response::new(get_functions::Response { functions, diagnostics: Vec::new() }))
    }

    async fn call_function(
        &self,
        request: Request<call_function::Request>,
    ) -> Reply<call_function::Response> {
        answer(async { self.call_function(request.get_ref()) }).await
    }
}
