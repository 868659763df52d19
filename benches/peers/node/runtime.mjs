// Lambda's runtime interface, for a handler that returns a promise. AWS's own client needs a native build; this one
// does less (no tracing, no patched console, no streams), which favours the peer.

import http from "node:http";

const API = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/`;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const json = { "content-type": "application/json", "content-length": Buffer.byteLength(body ?? "") };
    const headers = body === undefined ? {} : json;
    const request = http.request(API + path, { agent, method, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode, headers } = response;
        if (statusCode < 300) resolve({ headers, text: Buffer.concat(chunks).toString() });
        else reject(new Error(`${method} ${path}: status ${statusCode}`));
      });
    });
    request.on("error", reject);
    request.end(body);
  });

/** Runs until the process is ended, as Lambda ends it. */
export const serve = async (handler) => {
  for (;;) {
    const { headers, text } = await call("GET", "next");
    const id = headers["lambda-runtime-aws-request-id"];
    const context = {
      awsRequestId: id,
      invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
      getRemainingTimeInMillis: () => Number(headers["lambda-runtime-deadline-ms"]) - Date.now(),
    };
    const [outcome, body] = await handler(JSON.parse(text), context).then(
      (result) => ["response", result ?? null],
      ({ name, message }) => ["error", { errorType: name, errorMessage: message }],
    );
    await call("POST", `${id}/${outcome}`, JSON.stringify(body));
  }
};
