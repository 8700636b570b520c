<%@ page contentType="text/html;charset=UTF-8" %><!doctype html>
<title>JSP</title>
<p>made by a JSP: six times seven is ${6 * 7}; asked with <%= request.getMethod() %></p>
