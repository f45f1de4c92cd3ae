// One node for each kind of value, as the other peers serve them: `node kinds.js PORT [FOLDER [PLAIN EXPIRED]]`,
// in namespace urn:test:plant; s=count counts at 10 Hz. With FOLDER it also offers every policy and mode under its
// certificate.pem and key.pem, and takes user "me" with $PASSWORD or any user certificate; on port PLAIN it
// offers no security, and on port EXPIRED all of it under expired.pem.
"use strict";
const { OPCUAServer } = require("node-opcua-server");
const { security } = require("./security");
const { Variant, VariantArrayType, DataType } = require("node-opcua-variant");
const { StatusCodes, StatusCode } = require("node-opcua-status-code");
const { DataValue } = require("node-opcua-data-value");
const { LocalizedText } = require("node-opcua-data-model");

const AT = new Date("2026-03-01T12:00:00.123Z");
const scalar = (dataType, value) => ({ dataType, arrayType: VariantArrayType.Scalar, value });
const array = (dataType, value) => ({ dataType, arrayType: VariantArrayType.Array, value });
const VALUES = {
  boolean: { dataType: DataType.Boolean, value: true },
  sbyte: { dataType: DataType.SByte, value: -7 },
  byte: { dataType: DataType.Byte, value: 200 },
  int16: { dataType: DataType.Int16, value: -30000 },
  uint16: { dataType: DataType.UInt16, value: 60000 },
  int32: { dataType: DataType.Int32, value: -2000000000 },
  uint32: { dataType: DataType.UInt32, value: 4000000000 },
  int64: scalar(DataType.Int64, [0xffdfffff, 0xffffffff]),
  uint64: scalar(DataType.UInt64, [0xffffffff, 0xffffffff]),
  float: { dataType: DataType.Float, value: 3.14 },
  double: { dataType: DataType.Double, value: 0.1 },
  nan: { dataType: DataType.Double, value: NaN },
  infinite: { dataType: DataType.Double, value: -Infinity },
  doubles: array(DataType.Double, new Float64Array([0.5, 1.5, 2.5, 3.5])),
  floats: array(DataType.Float, new Float32Array([0.5, 1.1])),
  int32s: array(DataType.Int32, new Int32Array([1, -2, 3])),
  booleans: array(DataType.Boolean, [false, true]),
  none: array(DataType.Double, new Float64Array(0)),
  matrix: {
    dataType: DataType.Double,
    arrayType: VariantArrayType.Matrix,
    dimensions: [2, 3],
    value: new Float64Array([1, 2, 3, 4, 5, 6]),
  },
  text: { dataType: DataType.String, value: "on" },
  texts: array(DataType.String, ["on", "off"]),
  octets: { dataType: DataType.ByteString, value: Buffer.from([1, 2]) },
  moment: { dataType: DataType.DateTime, value: AT },
  localized: { dataType: DataType.LocalizedText, value: new LocalizedText({ text: "hot" }) },
  null: { dataType: DataType.Null },
  bad: { dataType: DataType.Double, value: 1 },
  uncertain: { dataType: DataType.Double, value: 2 },
  overflowed: { dataType: DataType.Double, value: 3 },
  unsourced: { dataType: DataType.Double, value: 4 },
  untimed: { dataType: DataType.Double, value: 5 },
  fine: { dataType: DataType.Double, value: 6 },
};
const STATUS = {
  bad: StatusCodes.BadSensorFailure,
  uncertain: StatusCodes.UncertainLastUsableValue,
  overflowed: StatusCode.makeStatusCode(StatusCodes.Good, "Overflow | InfoTypeDataValue"),
};
const TIMES = {
  unsourced: { serverTimestamp: AT },
  untimed: {},
  fine: {
    sourceTimestamp: AT,
    sourcePicoseconds: 1234,
    serverTimestamp: AT,
    serverPicoseconds: 99,
  },
};

const serverAt = (port, folder, file) =>
  new OPCUAServer({
    hostname: "127.0.0.1",
    host: "127.0.0.1",
    port: +port,
    ...(folder
      ? { ...security(folder, file), allowAnonymous: true }
      : { serverCertificateManager: undefined, securityPolicies: ["None"], securityModes: [1] }),
  });

async function main() {
  const [port, folder, plain, expired] = process.argv.slice(2);
  if (plain) {
    await serverAt(plain).start();
    await serverAt(expired, folder, "expired.pem").start();
  }
  const server = serverAt(port, folder, "certificate.pem");
  await server.initialize();
  const space = server.engine.addressSpace;
  const plant = space.registerNamespace("urn:test:plant");
  const own = plant.addFolder("ObjectsFolder", { browseName: "plant" });
  const add = (name, dataType, get) =>
    plant.addVariable({
      componentOf: own,
      browseName: name,
      nodeId: `s=${name}`,
      dataType,
      valueRank: -2,
      minimumSamplingInterval: 100,
      value: { timestamped_get: get },
    });
  for (const [name, value] of Object.entries(VALUES)) {
    const data = new DataValue({
      value: new Variant(value),
      statusCode: STATUS[name] ?? StatusCodes.Good,
      ...(TIMES[name] ?? { sourceTimestamp: AT, serverTimestamp: AT }),
    });
    add(name, DataType[value.dataType || DataType.Double], () => data);
  }
  const count = plant.addVariable({
    componentOf: own,
    browseName: "count",
    nodeId: "s=count",
    dataType: "Double",
  });
  let n = 0;
  setInterval(
    () => count.setValueFromSource(new Variant({ dataType: DataType.Double, value: ++n })),
    100,
  );
  await server.start();
}

main();
