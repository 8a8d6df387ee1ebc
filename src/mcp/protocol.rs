//! The protocol, by the official SDK: what a client is told, and each call passed on.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, ServiceExt as _};
use serde_json::Value;

use super::failure::ToolFailure;
use super::ids::{self, ShortIds};
use super::tools::{TOOLS, ToolSpec};
use super::{Assistant, INSTRUCTIONS, arguments};

/// Bytes of one message from a client.
pub(crate) const LARGEST: usize = 64 * 1024;

impl ToolSpec {
    /// The tool as clients are told of it.
    fn described(&self) -> Tool {
        let annotations = ToolAnnotations::with_title(self.title)
            .read_only(true)
            .destructive(false)
            .idempotent(true)
            .open_world(false);
        Tool::new(self.name, self.about, Arc::new(arguments::schema(self.arguments)))
            .with_title(self.title)
            .with_raw_output_schema(Arc::new((self.answers)()))
            .with_annotations(annotations)
    }
}

/// An answer in both forms: as text for clients that show nothing else, and structured.
fn result(answer: Result<Value, ToolFailure>) -> CallToolResult {
    match answer {
        Ok(answer) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(answer.to_string())]);
            result.structured_content = Some(answer);
            result
        }
        Err(failure) => CallToolResult::error(vec![ContentBlock::text(failure.json().to_string())]),
    }
}

impl ServerHandler for Assistant {
    fn get_info(&self) -> ServerConfig {
        let server =
            Implementation::new("archiver", env!("CARGO_PKG_VERSION")).with_title("LinkedIn message archive");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(server)
            .with_instructions(INSTRUCTIONS)
    }

    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {
        tracing::debug!("a client has connected");
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(TOOLS.iter().map(ToolSpec::described).collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS.iter().find(|tool| tool.name == name).map(ToolSpec::described)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let called = self.call(&request.name, request.arguments.unwrap_or_default()).await;
        let none = || {
            let names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
            ErrorData::invalid_params(format!("there is no such tool, only: {}", names.join(", ")), None)
        };
        Ok(result(called.ok_or_else(none)?).into())
    }
}

/// Serves whoever started this process, until they close its standard input.
pub(crate) async fn serve_stdio(assistant: Assistant) {
    let (read, write) = stdio_pipes();
    let transport = ShortIds(AsyncRwTransport::new(read, write).with_max_line_length(LARGEST));
    let served = match assistant.serve(transport).await {
        Ok(running) => running.waiting().await.map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = served {
        // The client has gone, or never was one: nobody is left to be told.
        tracing::debug!(error, "the conversation with the client ended early");
    }
}

/// The same over HTTP, each request by itself. Who may ask is up to whoever passes requests on.
#[derive(Clone)]
pub(crate) struct McpOverHttp(StreamableHttpService<Assistant, NeverSessionManager>);

impl std::fmt::Debug for McpOverHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("McpOverHttp")
    }
}

impl McpOverHttp {
    pub(crate) fn new(assistant: Assistant) -> Self {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(LARGEST)
            // `Host` and `Origin` have been looked at more closely by then.
            .disable_allowed_hosts();
        let factory = move || Ok(assistant.clone());
        Self(StreamableHttpService::new(factory, Arc::default(), config))
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        if let Some(refusal) = ids::refused(request.body()) {
            let mut response = Response::new(Bytes::from(refusal.to_string()));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return response;
        }
        let request = request.map(Full::new);
        let (parts, body) = self.0.handle(request).await.into_parts();
        match body.collect().await {
            Ok(body) => Response::from_parts(parts, body.to_bytes()),
            Err(never) => match never {},
        }
    }
}
