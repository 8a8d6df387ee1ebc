//! Ids of requests: each comes back with its answer, so that a long one would add to what the answer's cap bounds.

use rmcp::ErrorData;
use rmcp::model::{JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde::Deserialize;
use serde_json::{Value, json};

/// Bytes of an id as JSON.
const LONGEST: usize = 200;

const REFUSAL: &str = "the id of a request must not be longer than 200 bytes";

fn is_long(id: &RequestId) -> bool {
    serde_json::to_string(id).is_ok_and(|json| json.len() > LONGEST)
}

/// What is answered instead to a request whose id is too long.
pub(super) fn refused(request: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Identified {
        id: Value,
    }
    let Identified { id } = serde_json::from_slice(request).ok()?;
    let error = json!({"code": -32600, "message": REFUSAL});
    (id.to_string().len() > LONGEST).then(|| json!({"jsonrpc": "2.0", "id": null, "error": error}))
}

/// A transport that refuses such requests by itself.
pub(super) struct ShortIds<T>(pub(super) T);

impl<T: Transport<RoleServer>> Transport<RoleServer> for ShortIds<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.0.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            match self.0.receive().await? {
                JsonRpcMessage::Request(request) if is_long(&request.id) => {
                    let refusal = JsonRpcMessage::error(ErrorData::invalid_request(REFUSAL, None), None);
                    self.0.send(refusal).await.ok()?;
                }
                message => return Some(message),
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.0.close().await
    }
}
