// An OPC UA server of another maker: `node server.js PORT [NAMESPACE NODES.json]`. With the last two
// it serves doubles, {identifier: value}, each written anew every second. Without, in namespace urn:test:plant s=count
// counts at 10 Hz, s=still stays at 7.5, s=whole is an Int32, s=text a string, s=bad has status Bad.
// It takes 2 monitored items and 3 nodes a call, as small controllers do.
// With SECURED=FOLDER it offers every policy and mode under certificate.pem and key.pem of the folder, keeps its
// trust list there, and takes user "me" with PASSWORD, or any user certificate. ACCEPT=1: it trusts any client.
"use strict";
const fs = require("node:fs");
const { OPCUAServer } = require("node-opcua-server");
const { Variant, DataType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");
const { security } = require("./security");

function serveNodes(space, uri, nodes) {
  const own = space.registerNamespace(uri);
  const folder = own.addFolder("ObjectsFolder", { browseName: "plant" });
  const double = (value) => new Variant({ dataType: DataType.Double, value });
  const variables = Object.entries(nodes).map(([id, value]) => {
    const variable = own.addVariable({
      componentOf: folder,
      browseName: id,
      nodeId: `s=${id}`,
      dataType: "Double",
    });
    variable.setValueFromSource(double(value));
    return [variable, value];
  });
  setInterval(() => {
    for (const [variable, value] of variables) variable.setValueFromSource(double(value));
  }, 1000);
}

async function main() {
  const server = new OPCUAServer({
    hostname: "127.0.0.1",
    host: "127.0.0.1",
    port: Number(process.argv[2]),
    ...(process.env.SECURED
      ? security(process.env.SECURED, "certificate.pem")
      : { serverCertificateManager: undefined }),
    serverCapabilities: {
      operationLimits: { maxMonitoredItemsPerCall: 2, maxNodesPerRead: 3 },
    },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  space.registerNamespace("urn:test:other");
  if (process.argv[3]) {
    serveNodes(space, process.argv[3], JSON.parse(fs.readFileSync(process.argv[4], "utf8")));
    await server.start();
    return;
  }
  const plant = space.registerNamespace("urn:test:plant");
  const folder = plant.addFolder("ObjectsFolder", { browseName: "cell" });
  const add = (name, dataType, value) =>
    plant.addVariable({
      componentOf: folder,
      browseName: name,
      nodeId: `s=${name}`,
      dataType,
      value: { dataType, value },
    });
  const count = add("count", DataType.Double, 0);
  add("still", DataType.Double, 7.5);
  add("whole", DataType.Int32, 42);
  add("text", DataType.String, "on");
  const bad = add("bad", DataType.Double, 1);
  bad.setValueFromSource(
    new Variant({ dataType: DataType.Double, value: 1 }),
    StatusCodes.BadSensorFailure,
  );
  let n = 0;
  setInterval(
    () => count.setValueFromSource(new Variant({ dataType: DataType.Double, value: ++n })),
    100,
  );
  await server.start();
}

main();
