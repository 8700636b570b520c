import jakarta.servlet.http.HttpServletRequest;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Reads the query string alone, so that a form in the body stays unread. */
final class Query {
    private Query() {}

    static List<String> all(HttpServletRequest request, String name) {
        List<String> found = new ArrayList<>();
        String query = request.getQueryString();
        if (query == null) {
            return found;
        }
        for (String pair : query.split("&")) {
            int equals = pair.indexOf('=');
            if (equals > 0 && pair.substring(0, equals).equals(name)) {
                found.add(URLDecoder.decode(pair.substring(equals + 1), StandardCharsets.ISO_8859_1));
            }
        }
        return found;
    }

    static String text(HttpServletRequest request, String name, String otherwise) {
        List<String> found = all(request, name);
        return found.isEmpty() ? otherwise : found.get(0);
    }

    static long number(HttpServletRequest request, String name, long otherwise) {
        String value = text(request, name, null);
        return value == null ? otherwise : Long.parseLong(value);
    }
}
