// Audits the server at the address given by npm's graphql-http: prints one JSON object per audit.
const { auditServer } = require("graphql-http");

async function main() {
  for (const { name, status, reason } of await auditServer({ url: process.argv[2] })) {
    console.log(JSON.stringify({ name, status, reason: reason ?? null }));
  }
}

main();
