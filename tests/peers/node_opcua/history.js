// An OPC UA server that keeps history: `node history.js PORT`. In namespace urn:test:plant s=count counts
// at 10 Hz from the start of the process, with history; s=plain stays at 7.5 and has none.
"use strict";
const { OPCUAServer } = require("node-opcua-server");
const { Variant, DataType } = require("node-opcua-variant");

async function main() {
  const server = new OPCUAServer({
    hostname: "127.0.0.1",
    host: "127.0.0.1",
    port: Number(process.argv[2]),
    serverCertificateManager: undefined,
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const plant = space.registerNamespace("urn:test:plant");
  const folder = plant.addFolder("ObjectsFolder", { browseName: "cell" });
  const double = (value) => new Variant({ dataType: DataType.Double, value });
  const add = (name, value) =>
    plant.addVariable({
      componentOf: folder,
      browseName: name,
      nodeId: `s=${name}`,
      dataType: "Double",
      value: double(value),
    });
  const count = add("count", 0);
  add("plain", 7.5);
  space.installHistoricalDataNode(count, { maxOnlineValues: 100000 });
  let n = 0;
  setInterval(() => count.setValueFromSource(double(++n)), 100);
  await server.start();
}

main();
