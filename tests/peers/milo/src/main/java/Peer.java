import static org.eclipse.milo.opcua.stack.core.types.builtin.unsigned.Unsigned.ubyte;
import static org.eclipse.milo.opcua.stack.core.types.builtin.unsigned.Unsigned.uint;
import static org.eclipse.milo.opcua.stack.core.types.builtin.unsigned.Unsigned.ulong;
import static org.eclipse.milo.opcua.stack.core.types.builtin.unsigned.Unsigned.ushort;

import java.io.InputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.eclipse.milo.opcua.sdk.server.EndpointConfig;
import org.eclipse.milo.opcua.sdk.server.ManagedNamespaceWithLifecycle;
import org.eclipse.milo.opcua.sdk.server.OpcUaServer;
import org.eclipse.milo.opcua.sdk.server.OpcUaServerConfig;
import org.eclipse.milo.opcua.sdk.server.identity.AnonymousIdentityValidator;
import org.eclipse.milo.opcua.sdk.server.identity.CompositeValidator;
import org.eclipse.milo.opcua.sdk.server.identity.UsernameIdentityValidator;
import org.eclipse.milo.opcua.sdk.server.identity.X509IdentityValidator;
import org.eclipse.milo.opcua.sdk.server.items.DataItem;
import org.eclipse.milo.opcua.sdk.server.items.MonitoredItem;
import org.eclipse.milo.opcua.sdk.server.nodes.UaVariableNode;
import org.eclipse.milo.opcua.sdk.server.util.SubscriptionModel;
import org.eclipse.milo.opcua.stack.core.NodeIds;
import org.eclipse.milo.opcua.stack.core.StatusCodes;
import org.eclipse.milo.opcua.stack.core.security.CertificateManager;
import org.eclipse.milo.opcua.stack.core.security.CertificateStore;
import org.eclipse.milo.opcua.stack.core.security.CertificateValidator;
import org.eclipse.milo.opcua.stack.core.security.DefaultApplicationGroup;
import org.eclipse.milo.opcua.stack.core.security.DefaultCertificateManager;
import org.eclipse.milo.opcua.stack.core.security.MemoryCertificateQuarantine;
import org.eclipse.milo.opcua.stack.core.security.MemoryCertificateStore;
import org.eclipse.milo.opcua.stack.core.security.MemoryTrustListManager;
import org.eclipse.milo.opcua.stack.core.security.RsaSha256CertificateFactory;
import org.eclipse.milo.opcua.stack.core.security.SecurityPolicy;
import org.eclipse.milo.opcua.stack.core.types.builtin.ByteString;
import org.eclipse.milo.opcua.stack.core.types.builtin.DataValue;
import org.eclipse.milo.opcua.stack.core.types.builtin.DateTime;
import org.eclipse.milo.opcua.stack.core.types.builtin.LocalizedText;
import org.eclipse.milo.opcua.stack.core.types.builtin.Matrix;
import org.eclipse.milo.opcua.stack.core.types.builtin.NodeId;
import org.eclipse.milo.opcua.stack.core.types.builtin.StatusCode;
import org.eclipse.milo.opcua.stack.core.types.builtin.Variant;
import org.eclipse.milo.opcua.stack.core.types.enumerated.MessageSecurityMode;
import org.eclipse.milo.opcua.stack.core.types.structured.BuildInfo;
import org.eclipse.milo.opcua.stack.transport.server.tcp.OpcTcpServerTransport;
import org.eclipse.milo.opcua.stack.transport.server.tcp.OpcTcpServerTransportConfig;

/**
 * An OPC UA server of another maker: `java Peer PORT [FOLDER [PLAIN EXPIRED]]`. In namespace
 * urn:test:plant, one node for each kind of value (the same as the other peers serve), s=count
 * counts at 10 Hz. With FOLDER it also offers every policy and mode under its certificate.pem and
 * key.pem, and takes user "me" with $PASSWORD or any user certificate; on port PLAIN it offers no
 * security, and on port EXPIRED all of it under expired.pem.
 */
public final class Peer extends ManagedNamespaceWithLifecycle {
  private static final String URI = "urn:test:plant";
  private static final DateTime AT = new DateTime(134168400001234567L); // to 100 ns

  private final SubscriptionModel subscriptions;
  private final UaVariableNode count;

  private Peer(OpcUaServer server) {
    super(server, URI);
    subscriptions = new SubscriptionModel(server, this);
    getLifecycleManager().addLifecycle(subscriptions);
    add("boolean", good(true));
    add("sbyte", good((byte) -7));
    add("byte", good(ubyte(200)));
    add("int16", good((short) -30_000));
    add("uint16", good(ushort(60_000)));
    add("int32", good(-2_000_000_000));
    add("uint32", good(uint(4_000_000_000L)));
    add("int64", good(-9_007_199_254_740_993L));
    add("uint64", good(ulong(new BigInteger("18446744073709551615"))));
    add("float", good(3.14f));
    add("double", good(0.1));
    add("nan", good(Double.NaN));
    add("infinite", good(Double.NEGATIVE_INFINITY));
    add("doubles", good(new Double[] {0.5, 1.5, 2.5, 3.5}));
    add("floats", good(new Float[] {0.5f, 1.1f}));
    add("int32s", good(new Integer[] {1, -2, 3}));
    add("booleans", good(new Boolean[] {false, true}));
    add("none", good(new Double[0]));
    add("matrix", good(Matrix.ofDouble(new double[][] {{1, 2, 3}, {4, 5, 6}})));
    add("text", good("on"));
    add("texts", good(new String[] {"on", "off"}));
    add("octets", good(ByteString.of(new byte[] {1, 2})));
    add("moment", good(AT));
    add("localized", good(LocalizedText.english("hot")));
    add("null", good(null));
    add("bad", value(1.0, StatusCodes.Bad_SensorFailure));
    add("uncertain", value(2.0, StatusCodes.Uncertain_LastUsableValue));
    add("overflowed", value(3.0, 0x480));
    add("unsourced", new DataValue(new Variant(4.0), StatusCode.GOOD, null, AT));
    add("untimed", new DataValue(new Variant(5.0), StatusCode.GOOD, null, null));
    add("fine", new DataValue(new Variant(6.0), StatusCode.GOOD, AT, ushort(1234), AT, ushort(99)));
    count = add("count", good(0.0));
  }

  private static DataValue value(Object content, long status) {
    return new DataValue(new Variant(content), new StatusCode(status), AT, AT);
  }

  private static DataValue good(Object content) {
    return value(content, StatusCodes.Good);
  }

  private UaVariableNode add(String name, DataValue value) {
    UaVariableNode node =
        new UaVariableNode.UaVariableNodeBuilder(getNodeContext())
            .setNodeId(new NodeId(getNamespaceIndex(), name))
            .setBrowseName(newQualifiedName(name))
            .setDisplayName(LocalizedText.english(name))
            .setDataType(NodeIds.BaseDataType)
            .setValueRank(-2)
            .setTypeDefinition(NodeIds.BaseDataVariableType)
            .setValue(value)
            .build();
    getNodeManager().addNode(node);
    return node;
  }

  @Override
  public void onDataItemsCreated(List<DataItem> items) {
    subscriptions.onDataItemsCreated(items);
  }

  @Override
  public void onDataItemsModified(List<DataItem> items) {
    subscriptions.onDataItemsModified(items);
  }

  @Override
  public void onDataItemsDeleted(List<DataItem> items) {
    subscriptions.onDataItemsDeleted(items);
  }

  @Override
  public void onMonitoringModeChanged(List<MonitoredItem> items) {
    subscriptions.onMonitoringModeChanged(items);
  }

  private static CertificateManager certificates(Path folder, String file) throws Exception {
    MemoryCertificateQuarantine quarantine = new MemoryCertificateQuarantine();
    if (folder == null) {
      return new DefaultCertificateManager(quarantine);
    }
    String pem = Files.readString(folder.resolve("key.pem")).replaceAll("-----.*-----|\\s", "");
    PrivateKey key =
        KeyFactory.getInstance("RSA")
            .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
    X509Certificate[] chain = {certificate(folder, file)};
    MemoryCertificateStore store = new MemoryCertificateStore();
    store.set(
        NodeIds.RsaSha256ApplicationCertificateType, new CertificateStore.Entry(key, chain));
    return new DefaultCertificateManager(
        quarantine,
        DefaultApplicationGroup.createAndInitialize(
            new MemoryTrustListManager(),
            store,
            new RsaSha256CertificateFactory() {
              @Override
              protected X509Certificate[] createRsaSha256CertificateChain(KeyPair pair) {
                return chain;
              }
            },
            new CertificateValidator.InsecureCertificateValidator()));
  }

  private static X509Certificate certificate(Path folder, String file) throws Exception {
    try (InputStream stream = Files.newInputStream(folder.resolve(file))) {
      return (X509Certificate)
          CertificateFactory.getInstance("X.509").generateCertificate(stream);
    }
  }

  private static Set<EndpointConfig> endpoints(int port, X509Certificate certificate) {
    EndpointConfig.Builder builder =
        EndpointConfig.newBuilder()
            .setBindAddress("127.0.0.1")
            .setHostname("127.0.0.1")
            .setBindPort(port)
            .addTokenPolicies(OpcUaServerConfig.USER_TOKEN_POLICY_ANONYMOUS);
    Set<EndpointConfig> endpoints = new LinkedHashSet<>();
    endpoints.add(builder.copy().setSecurityPolicy(SecurityPolicy.None).build());
    if (certificate != null) {
      builder
          .setCertificate(certificate)
          .addTokenPolicies(
              OpcUaServerConfig.USER_TOKEN_POLICY_USERNAME,
              OpcUaServerConfig.USER_TOKEN_POLICY_X509);
      for (SecurityPolicy policy :
          List.of(
              SecurityPolicy.Basic256Sha256,
              SecurityPolicy.Aes128_Sha256_RsaOaep,
              SecurityPolicy.Aes256_Sha256_RsaPss)) {
        for (MessageSecurityMode mode :
            List.of(MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt)) {
          endpoints.add(
              builder.copy().setSecurityPolicy(policy).setSecurityMode(mode).build());
        }
      }
    }
    return endpoints;
  }

  private static Peer start(int port, Path folder, String file) throws Exception {
    X509Certificate certificate = folder == null ? null : certificate(folder, file);
    String password = System.getenv("PASSWORD");
    OpcUaServerConfig config =
        OpcUaServerConfig.builder()
            .setApplicationName(LocalizedText.english("potline test peer"))
            .setApplicationUri("urn:test:server")
            .setProductUri("urn:test:milo")
            .setBuildInfo(new BuildInfo("", "", "", OpcUaServer.SDK_VERSION, "", DateTime.now()))
            .setCertificateManager(certificates(folder, file))
            .setIdentityValidator(
                new CompositeValidator(
                    AnonymousIdentityValidator.INSTANCE,
                    new UsernameIdentityValidator(
                        user ->
                            user.getUsername().equals("me")
                                && user.getPassword().equals(password)),
                    new X509IdentityValidator(any -> true)))
            .setEndpoints(endpoints(port, certificate))
            .build();
    OpcUaServer server =
        new OpcUaServer(
            config,
            profile -> new OpcTcpServerTransport(OpcTcpServerTransportConfig.newBuilder().build()));
    Peer peer = new Peer(server);
    peer.startup();
    server.startup().get();
    return peer;
  }

  public static void main(String[] arguments) throws Exception {
    Security.addProvider(new BouncyCastleProvider()); // Java itself lacks what RsaPss needs
    Path folder = arguments.length > 1 ? Path.of(arguments[1]) : null;
    if (arguments.length > 2) {
      start(Integer.parseInt(arguments[2]), null, "");
      start(Integer.parseInt(arguments[3]), folder, "expired.pem");
    }
    Peer peer = start(Integer.parseInt(arguments[0]), folder, "certificate.pem");
    for (int n = 1; ; n++) {
      Thread.sleep(100);
      peer.count.setValue(new DataValue(new Variant((double) n)));
    }
  }
}
