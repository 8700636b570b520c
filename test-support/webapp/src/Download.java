import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Sends bytes that the test can make again: Knuth's 64-bit generator, little-endian words. */
@WebServlet("/download")
public class Download extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        long size = Query.number(request, "size", 0);
        long state = Query.number(request, "seed", 1);
        int chunk = (int) Query.number(request, "chunk", 65536);
        boolean flush = Query.number(request, "flush", 0) == 1;
        if (Query.number(request, "cl", 0) == 1) {
            response.setContentLengthLong(size);
        }
        response.setContentType("application/octet-stream");
        OutputStream out = response.getOutputStream();
        ByteBuffer word = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        byte[] buffer = new byte[chunk];
        int filled = 0;
        for (long sent = 0; sent < size; sent++) {
            int at = (int) (sent % 8);
            if (at == 0) {
                state = state * 6364136223846793005L + 1442695040888963407L;
                word.putLong(0, state);
            }
            buffer[filled++] = word.get(at);
            if (filled == chunk) {
                out.write(buffer, 0, filled);
                filled = 0;
                if (flush) {
                    out.flush();
                }
            }
        }
        out.write(buffer, 0, filled);
    }
}
