import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

/** Opens a WebSocket with what Java brings itself, sends a message and waits for it: Follow URL. */
public class Follow {
    public static void main(String[] arguments) throws Exception {
        CompletableFuture<String> received = new CompletableFuture<>();
        WebSocket.Listener listener = new WebSocket.Listener() {
            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean isLast) {
                received.complete(text.toString());
                return null;
            }
        };
        WebSocket socket = HttpClient.newHttpClient().newWebSocketBuilder()
            .buildAsync(URI.create(arguments[0]), listener).get(30, TimeUnit.SECONDS);
        socket.request(1);
        socket.sendText("hello from Java", true).get(30, TimeUnit.SECONDS);
        String text = received.get(30, TimeUnit.SECONDS);
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(30, TimeUnit.SECONDS);
        System.exit(text.equals("hello from Java") ? 0 : 1);
    }
}
