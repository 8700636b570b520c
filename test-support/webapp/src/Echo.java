import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;

/** Tells what the container saw of the request, one line each. */
@WebServlet("/echo/*")
public class Echo extends HttpServlet {
    private static final String[] TLS = {
        "jakarta.servlet.request.cipher_suite",
        "jakarta.servlet.request.key_size",
        "jakarta.servlet.request.ssl_session_id",
        "org.apache.tomcat.util.net.secure_protocol_version",
    };

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        StringBuilder out = new StringBuilder();
        line(out, "method", request.getMethod());
        line(out, "protocol", request.getProtocol());
        line(out, "uri", request.getRequestURI());
        line(out, "servletPath", request.getServletPath());
        line(out, "pathInfo", request.getPathInfo());
        line(out, "query", request.getQueryString());
        line(out, "remoteAddr", request.getRemoteAddr());
        line(out, "remoteHost", request.getRemoteHost());
        line(out, "remotePort", request.getRemotePort());
        line(out, "serverName", request.getServerName());
        line(out, "serverPort", request.getServerPort());
        line(out, "scheme", request.getScheme());
        line(out, "secure", request.isSecure());
        line(out, "localAddr", request.getLocalAddr());
        line(out, "localPort", request.getLocalPort());
        line(out, "authType", request.getAuthType());
        line(out, "remoteUser", request.getRemoteUser());
        line(out, "contentLength", request.getContentLengthLong());
        for (String name : Collections.list(request.getHeaderNames())) {
            for (String value : Collections.list(request.getHeaders(name))) {
                line(out, "header " + name, value);
            }
        }
        for (String name : TLS) {
            line(out, "attribute " + name, request.getAttribute(name));
        }
        Object chain = request.getAttribute("jakarta.servlet.request.X509Certificate");
        if (chain instanceof java.security.cert.X509Certificate[] certificates) {
            line(out, "certificates", certificates.length);
            line(out, "certificate", certificates[0].getSubjectX500Principal().getName());
        }
        // Attributes from the AJP peer are not among getAttributeNames(): Tomcat wants the name.
        for (String name : Query.all(request, "attr")) {
            line(out, "attribute " + name, request.getAttribute(name));
        }
        response.setContentType("text/plain;charset=ISO-8859-1");
        response.getOutputStream().write(out.toString().getBytes(StandardCharsets.ISO_8859_1));
    }

    private static void line(StringBuilder out, String name, Object value) {
        out.append(name).append('=').append(value).append('\n');
    }
}
