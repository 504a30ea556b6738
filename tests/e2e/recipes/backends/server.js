// A server of Node's http with two handlers that work for as long as they may: POST /reports/loop listens for its connection's
// end, POST /reports/job does not. DELETE /jobs/ID ends a job; GET /state tells what each has done and how it ended.
// Usage: node server.js ADDRESS PORT
"use strict";
const http = require("http");

const state = {};
const stops = {};

function begin(id) {
  const work = (state[id] = { state: "running", steps: 0 });
  const timer = setInterval(() => work.steps++, 5);
  return (how) => {
    clearInterval(timer);
    work.state = how;
  };
}

function answer(response, status, body = "") {
  response.writeHead(status, { "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

const server = http.createServer((request, response) => {
  const id = request.headers["x-job-id"];
  if (request.method === "GET" && request.url === "/state") {
    answer(response, 200, JSON.stringify(state));
  } else if (request.method === "POST" && request.url === "/reports/loop") {
    const end = begin(id);
    response.on("close", () => end("aborted"));
  } else if (request.method === "POST" && request.url === "/reports/job") {
    const end = begin(id);
    stops[id] = () => {
      end("cancelled");
      answer(response, 410);
    };
  } else if (request.method === "DELETE" && stops[request.url.slice("/jobs/".length)]) {
    stops[request.url.slice("/jobs/".length)]();
    answer(response, 204);
  } else {
    answer(response, 404);
  }
});
server.listen(Number(process.argv[3]), process.argv[2]);
