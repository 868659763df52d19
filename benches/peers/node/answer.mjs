// The answer to CloudFormation, as AWS's own cfn-response gives it, but tried more than once.

import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

const TRIES = 5;
const PAUSE = 1_000;
// An answer may have 4,096 bytes.
const LONGEST_REASON = 1_000;

/** S3 signed the URL for an empty content type. */
const put = (url, body) =>
  new Promise((resolve, reject) => {
    const headers = { "content-type": "", "content-length": Buffer.byteLength(body) };
    const request = https.request(url, { method: "PUT", headers }, (response) => {
      response.resume();
      const { statusCode } = response;
      if (statusCode < 400) resolve();
      else reject(new Error(`the answer was refused with status ${statusCode}`));
    });
    request.on("error", reject);
    request.end(body);
  });

const deliver = async (url, answer) => {
  const body = JSON.stringify(answer);
  for (let tried = 1; ; tried++) {
    try {
      return await put(url, body);
    } catch (error) {
      if (tried === TRIES) throw error;
      await sleep(PAUSE);
    }
  }
};

/** A handler that answers whatever becomes of `work`, which resolves to `{ id, data }`. */
export const answering = (work) => async (event) => {
  const { StackId, RequestId, LogicalResourceId } = event;
  const to = { StackId, RequestId, LogicalResourceId };
  let answer;
  try {
    const { id, data } = await work(event);
    answer = { Status: "SUCCESS", PhysicalResourceId: id, ...to, Data: data };
  } catch (error) {
    console.error(error);
    const id = event.PhysicalResourceId ?? event.ResourceProperties?.RoleName ?? RequestId;
    const reason = `${error.name}: ${error.message}`.slice(0, LONGEST_REASON);
    answer = { Status: "FAILED", Reason: reason, PhysicalResourceId: id, ...to };
  }
  await deliver(event.ResponseURL, answer);
};
