// node-opcua's client: subscribes to the nodes it is given and prints each value as a line of JSON.
const { OPCUAClient } = require("node-opcua-client");
const { AttributeIds } = require("node-opcua-data-model");
const { TimestampsToReturn } = require("node-opcua-service-read");
const { DataType } = require("node-opcua-variant");

async function main() {
  const [url, uri, count, ...names] = process.argv.slice(2);
  const client = OPCUAClient.create({ endpointMustExist: false });
  await client.connect(url);
  const session = await client.createSession();
  const index = (await session.readNamespaceArray()).indexOf(uri);
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 50,
    requestedLifetimeCount: 1000,
    requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 3,
    publishingEnabled: true,
    priority: 0,
  });
  let left = Number(count);
  const finished = new Promise((resolve) => {
    for (const name of names) {
      subscription
        .monitor(
          { nodeId: `ns=${index};s=${name}`, attributeId: AttributeIds.Value },
          { samplingInterval: 10, discardOldest: true, queueSize: 20 },
          TimestampsToReturn.Both,
        )
        .then((item) =>
          item.on("changed", (value) => {
            const told = {
              name,
              value: value.value.value,
              type: DataType[value.value.dataType],
              status: value.statusCode.name,
              time_ms: value.sourceTimestamp.getTime(),
            };
            console.log(JSON.stringify(told));
            if (--left === 0) resolve();
          }),
        );
    }
  });
  await finished;
  await subscription.terminate();
  await session.close();
  await client.disconnect();
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
