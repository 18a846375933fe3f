import de.rub.nds.modifiablevariable.bytearray.ModifiableByteArray;
import de.rub.nds.modifiablevariable.util.Modifiable;
import de.rub.nds.tlsattacker.core.config.Config;
import de.rub.nds.tlsattacker.core.connection.OutboundConnection;
import de.rub.nds.tlsattacker.core.constants.AlertDescription;
import de.rub.nds.tlsattacker.core.constants.AlertLevel;
import de.rub.nds.tlsattacker.core.constants.CipherSuite;
import de.rub.nds.tlsattacker.core.constants.NamedGroup;
import de.rub.nds.tlsattacker.core.constants.ProtocolVersion;
import de.rub.nds.tlsattacker.core.constants.SignatureAndHashAlgorithm;
import de.rub.nds.tlsattacker.core.protocol.ProtocolMessage;
import de.rub.nds.tlsattacker.core.protocol.message.AlertMessage;
import de.rub.nds.tlsattacker.core.protocol.message.ApplicationMessage;
import de.rub.nds.tlsattacker.core.protocol.message.CertificateMessage;
import de.rub.nds.tlsattacker.core.protocol.message.CertificateVerifyMessage;
import de.rub.nds.tlsattacker.core.protocol.message.ChangeCipherSpecMessage;
import de.rub.nds.tlsattacker.core.protocol.message.ClientHelloMessage;
import de.rub.nds.tlsattacker.core.protocol.message.ECDHClientKeyExchangeMessage;
import de.rub.nds.tlsattacker.core.protocol.message.EndOfEarlyDataMessage;
import de.rub.nds.tlsattacker.core.protocol.message.FinishedMessage;
import de.rub.nds.tlsattacker.core.protocol.message.HeartbeatMessage;
import de.rub.nds.tlsattacker.core.protocol.message.KeyUpdateMessage;
import de.rub.nds.tlsattacker.core.protocol.message.ServerHelloDoneMessage;
import de.rub.nds.tlsattacker.core.protocol.message.extension.KeyShareExtensionMessage;
import de.rub.nds.tlsattacker.core.protocol.message.extension.SupportedVersionsExtensionMessage;
import de.rub.nds.tlsattacker.core.record.Record;
import de.rub.nds.tlsattacker.core.state.State;
import de.rub.nds.tlsattacker.core.workflow.DefaultWorkflowExecutor;
import de.rub.nds.tlsattacker.core.workflow.WorkflowTrace;
import de.rub.nds.tlsattacker.core.workflow.action.GenericReceiveAction;
import de.rub.nds.tlsattacker.core.workflow.action.ReceiveTillAction;
import de.rub.nds.tlsattacker.core.workflow.action.ReceivingAction;
import de.rub.nds.tlsattacker.core.workflow.action.SendAction;
import de.rub.nds.tlsattacker.core.workflow.action.TlsAction;
import de.rub.nds.tlsattacker.transport.socket.SocketState;
import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * TLS-Attacker as a client that breaks rules: Attacker HOST PORT MUTUAL_PORT, where MUTUAL_PORT requires a certificate.
 *
 * <p>Prints "CASE OUTCOME" for each: "answered" (a question asked afterwards was), "alert NAME", "closed" (without a
 * word), "reset", or "stuck".
 */
final class Attacker {
    private static final int PATIENCE_MS = 1500;
    private static final byte[] QUESTION = {0, 0, 0, 13, 0, 18, 0, 0, 0, 0, 0, 7, 0, 3, 'r', 'a', 'w'};

    private static final Map<String, Case> CASES = new LinkedHashMap<>();

    /** One conversation: what is sent in which order, and how it differs from a good one. */
    private static final class Case {
        final Config config = new Config();
        final List<TlsAction> actions = new ArrayList<>();
        final ClientHelloMessage hello;
        final boolean newest;
        boolean mutual;

        Case(boolean newest) {
            this.newest = newest;
            config.setHighestProtocolVersion(newest ? ProtocolVersion.TLS13 : ProtocolVersion.TLS12);
            config.setSupportedVersions(newest ? ProtocolVersion.TLS13 : ProtocolVersion.TLS12);
            config.setDefaultSelectedProtocolVersion(newest ? ProtocolVersion.TLS13 : ProtocolVersion.TLS12);
            CipherSuite suite =
                    newest
                            ? CipherSuite.TLS_AES_128_GCM_SHA256
                            : CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
            config.setDefaultClientSupportedCipherSuites(suite);
            config.setDefaultSelectedCipherSuite(suite);
            config.setDefaultClientNamedGroups(NamedGroup.SECP256R1);
            config.setDefaultClientKeyShareNamedGroups(NamedGroup.SECP256R1);
            config.setDefaultSelectedNamedGroup(NamedGroup.SECP256R1);
            config.setDefaultClientSupportedSignatureAndHashAlgorithms(
                    SignatureAndHashAlgorithm.ECDSA_SHA256, SignatureAndHashAlgorithm.RSA_PSS_RSAE_SHA256);
            config.setAddECPointFormatExtension(!newest);
            config.setAddEllipticCurveExtension(true);
            config.setAddSignatureAndHashAlgorithmsExtension(true);
            config.setAddSupportedVersionsExtension(newest);
            config.setAddKeyShareExtension(newest);
            config.setAddRenegotiationInfoExtension(!newest);
            config.setFinishWithCloseNotify(false);
            config.setStopActionsAfterFatal(true);
            config.setStopActionsAfterIOException(false);  // what had been said before is still read
            config.setReceiveFinalTcpSocketStateWithTimeout(true);
            hello = new ClientHelloMessage(config);
        }

        Case with(Consumer<Case> change) {
            change.accept(this);
            return this;
        }

        /** Suites other than the one offered else. */
        Case offering(CipherSuite... suites) {
            config.setDefaultClientSupportedCipherSuites(suites);
            return this;
        }

        Case hello(Consumer<ClientHelloMessage> change) {
            change.accept(hello);
            return this;
        }

        Case send(ProtocolMessage... messages) {
            actions.add(new SendAction(messages));
            return this;
        }

        /** In records of one's own. */
        Case send(Record record, ProtocolMessage message) {
            SendAction action = new SendAction(message);
            action.setConfiguredRecords(new ArrayList<>(List.of(record)));
            actions.add(action);
            return this;
        }

        /** The hello, and what answers it. */
        Case greeted() {
            send(hello);
            actions.add(new ReceiveTillAction(newest ? new FinishedMessage() : new ServerHelloDoneMessage()));
            return this;
        }

        Case keyExchange() {
            return newest ? this : send(new ECDHClientKeyExchangeMessage());
        }

        Case finished() {
            return newest
                    ? send(new FinishedMessage())
                    : send(new ChangeCipherSpecMessage(), new FinishedMessage()).received(new FinishedMessage());
        }

        Case received(ProtocolMessage last) {
            actions.add(new ReceiveTillAction(last));
            return this;
        }

        /** A hello of the configuration as it is by now, and what answers it. */
        Case greetedAnew() {
            send(new ClientHelloMessage(config));
            actions.add(new GenericReceiveAction());
            return this;
        }

        /** The whole of a handshake. */
        Case open() {
            return greeted().keyExchange().finished();
        }
    }

    private static Case of12() {
        return new Case(false);
    }

    private static Case of13() {
        return new Case(true);
    }

    private static ProtocolMessage alert(AlertLevel level, AlertDescription description) {
        AlertMessage message = new AlertMessage();
        message.setConfig(level, description);
        return message;
    }

    private static void put(String name, Case made) {
        CASES.put(name, made);
    }

    private static byte[] bytesOf(int... values) {
        byte[] made = new byte[values.length];
        for (int i = 0; i < made.length; ++i) made[i] = (byte) values[i];
        return made;
    }

    private static Case finishedWrong(boolean newest, ModifiableByteArray verifyData) {
        FinishedMessage message = new FinishedMessage();
        message.setVerifyData(verifyData);
        Case made = new Case(newest).greeted().keyExchange();
        return newest ? made.send(message) : made.send(new ChangeCipherSpecMessage(), message);
    }

    private static Case keyExchangeOf(ModifiableByteArray publicKey) {
        ECDHClientKeyExchangeMessage message = new ECDHClientKeyExchangeMessage();
        message.setPublicKey(publicKey);
        return of12().greeted().send(message).finished();
    }

    private static Case keyShareOf(ModifiableByteArray publicKey) {
        Case made = of13();
        made.hello.getExtension(KeyShareExtensionMessage.class).getKeyShareList().get(0).setPublicKey(publicKey);
        return made.greeted();
    }

    private static Case damaged(boolean newest) {
        Record record = new Record();
        record.setProtocolMessageBytes(Modifiable.xor(bytesOf(1), -1));
        return new Case(newest).open().send(record, new ApplicationMessage(QUESTION));
    }

    static {
        put("plain-1.2", of12().open());
        put("plain-1.3", of13().open());
        // Messages that have no place, or are not what they should be.
        for (boolean newest : new boolean[] {false, true}) {
            String version = newest ? "-1.3" : "-1.2";
            Supplier<Case> greeted = () -> new Case(newest).greeted();
            put("certificate-unasked" + version, greeted.get().send(new CertificateMessage()).keyExchange().finished());
            put("certificate-verify-unasked" + version,
                    greeted.get().keyExchange().send(new CertificateVerifyMessage()).finished());
            put("hello-again" + version, greeted.get().with(c -> c.send(new ClientHelloMessage(c.config))));
            put("hello-done-of-a-client" + version, greeted.get().send(new ServerHelloDoneMessage()));
            put("heartbeat" + version, new Case(newest).open().send(new HeartbeatMessage()));
            put("finished-changed" + version, finishedWrong(newest, Modifiable.xor(bytesOf(1), 0)));
            put("finished-short" + version, finishedWrong(newest, Modifiable.delete(0, 4)));
            put("data-before-finished" + version, greeted.get().keyExchange().send(new ApplicationMessage(QUESTION)));
            put("record-damaged" + version, damaged(newest));
            put("fatal-alert" + version,
                    new Case(newest).open().send(alert(AlertLevel.FATAL, AlertDescription.INTERNAL_ERROR)));
            put("close-notify-in-handshake" + version,
                    greeted.get().send(alert(AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)));
            put("certificate-without-key" + version, new Case(newest).with(c -> c.mutual = true).greeted()
                    .send(new CertificateMessage()).keyExchange().finished());
        }
        put("key-exchange-missing-1.2", of12().greeted().finished());
        put("key-exchange-twice-1.2", of12().greeted().keyExchange().keyExchange().finished());
        put("change-cipher-missing-1.2", of12().greeted().keyExchange().send(new FinishedMessage()));
        put("change-cipher-early-1.2", of12().greeted().send(new ChangeCipherSpecMessage()).keyExchange());
        put("change-cipher-twice-1.2",
                of12().greeted().keyExchange().send(new ChangeCipherSpecMessage()).send(new ChangeCipherSpecMessage()));
        put("key-update-early-1.3", of13().greeted().send(new KeyUpdateMessage()));
        put("end-of-early-data-1.3", of13().greeted().send(new EndOfEarlyDataMessage()));
        put("change-cipher-late-1.3", of13().open().send(new ChangeCipherSpecMessage()));
        // Keys that are none.
        put("point-off-the-curve-1.2", keyExchangeOf(Modifiable.xor(bytesOf(1), -1)));
        put("point-off-the-curve-1.3", keyShareOf(Modifiable.xor(bytesOf(1), -1)));
        put("point-empty-1.2", keyExchangeOf(Modifiable.explicit(bytesOf())));
        put("point-short-1.3", keyShareOf(Modifiable.delete(0, 20)));
        // The hello.
        put("no-key-share-1.3", of13().with(c -> c.config.setAddKeyShareExtension(false)).greetedAnew());
        put("no-groups-1.3", of13().with(c -> c.config.setAddEllipticCurveExtension(false)).greetedAnew());
        put("no-signatures-1.3",
                of13().with(c -> c.config.setAddSignatureAndHashAlgorithmsExtension(false)).greetedAnew());
        put("compression-1.3", of13().hello(h -> h.setCompressions(Modifiable.explicit(bytesOf(1, 0)))).greeted());
        put("compression-missing-1.2", of12().hello(h -> h.setCompressions(Modifiable.explicit(bytesOf(1)))).greeted());
        put("session-of-33-bytes-1.3",
                of13().hello(h -> h.setSessionId(Modifiable.explicit(new byte[33]))).greeted());
        put("hello-of-another-length-1.3", of13().hello(h -> h.setLength(Modifiable.add(7))).greeted());
        put("extensions-of-another-length-1.3", of13().hello(h -> h.setExtensionsLength(Modifiable.add(1))).greeted());
        // RFC 8446 D.5: not even beside supported_versions; of a newer one it says nothing.
        put("version-of-ssl-3-1.3", of13().hello(h -> h.setProtocolVersion(Modifiable.explicit(bytesOf(3, 0)))).open());
        put("version-of-the-future-1.3",
                of13().hello(h -> h.setProtocolVersion(Modifiable.explicit(bytesOf(3, 9)))).open());
        put("unknown-version-1.3", of13().hello(h -> h.getExtension(SupportedVersionsExtensionMessage.class)
                .setSupportedVersions(Modifiable.explicit(bytesOf(3, 9)))).greeted());
        put("fallback-1.2", of12().offering(
                CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, CipherSuite.TLS_FALLBACK_SCSV).greetedAnew());
        put("grease-1.3",
                of13().offering(CipherSuite.GREASE_00, CipherSuite.TLS_AES_128_GCM_SHA256).greetedAnew().finished());
        put("rsa-key-exchange-1.2", of12().offering(CipherSuite.TLS_RSA_WITH_AES_128_CBC_SHA).greetedAnew());
        put("cbc-1.2", of12().offering(CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA).greetedAnew());
    }

    private static List<ProtocolMessage> received(WorkflowTrace trace) {
        List<ProtocolMessage> all = new ArrayList<>();
        for (ReceivingAction action : trace.getReceivingActions()) {
            if (action.getReceivedMessages() != null) all.addAll(action.getReceivedMessages());
        }
        return all;
    }

    private static String outcome(Case c, String host, int port) {
        OutboundConnection connection = new OutboundConnection(port, host);
        connection.setIp(host);
        connection.setTimeout(PATIENCE_MS);
        c.config.setDefaultClientConnection(connection);
        WorkflowTrace trace = new WorkflowTrace();
        c.actions.forEach(trace::addTlsAction);
        trace.addTlsAction(new SendAction(new ApplicationMessage(QUESTION)));
        trace.addTlsAction(new GenericReceiveAction());
        State state = new State(c.config, trace);
        try {
            new DefaultWorkflowExecutor(state).executeWorkflow();
        } catch (RuntimeException problem) {
            return "failed " + problem;
        }
        String said = null;
        for (ProtocolMessage message : received(state.getWorkflowTrace())) {
            if (message instanceof AlertMessage && said == null) {
                byte number = ((AlertMessage) message).getDescription().getValue();
                said = "alert " + AlertDescription.getAlertDescription(number).name().toLowerCase();
            } else if (message instanceof ApplicationMessage) {
                byte[] data = ((ApplicationMessage) message).getData().getValue();
                if (data.length > 8 && Arrays.equals(data, 4, 8, QUESTION, 8, 12)) return "answered";
            }
        }
        if (said != null) return said;
        SocketState end = state.getTcpContext().getFinalSocketState();
        switch (end) {
            case CLOSED: case PEER_WRITE_CLOSED: return "closed";
            case SOCKET_EXCEPTION: case IO_EXCEPTION: return "reset";
            case TIMEOUT: case UP: return "stuck";
            default: return end.name().toLowerCase();
        }
    }

    public static void main(String[] words) {
        Security.insertProviderAt(new BouncyCastleProvider(), 1);
        for (Map.Entry<String, Case> each : CASES.entrySet()) {
            int port = Integer.parseInt(words[each.getValue().mutual ? 2 : 1]);
            System.out.println(each.getKey() + " " + outcome(each.getValue(), words[0], port));
        }
        System.exit(0);
    }
}
