// What makes a server offer every policy and mode: under a certificate and key.pem of a folder, where it keeps its
// trust list too. It takes user "me" with $PASSWORD, or any user certificate. ACCEPT=1: it trusts any client.
"use strict";
const path = require("node:path");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

exports.security = (folder, certificate) => {
  const manager = (name, accept) =>
    new OPCUACertificateManager({
      rootFolder: path.join(folder, name),
      automaticallyAcceptUnknownCertificate: accept,
    });
  return {
    certificateFile: path.join(folder, certificate),
    privateKeyFile: path.join(folder, "key.pem"),
    serverCertificateManager: manager("pki", process.env.ACCEPT === "1"),
    userCertificateManager: manager("users", true),
    serverInfo: { applicationUri: "urn:test:server" },
    allowAnonymous: false,
    userManager: {
      isValidUser: (name, password) => name === "me" && password === process.env.PASSWORD,
    },
  };
};
