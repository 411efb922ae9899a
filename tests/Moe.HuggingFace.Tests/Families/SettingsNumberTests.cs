using System.Text;

namespace Moe.HuggingFace.Tests;

public sealed class SettingsNumberTests
{
    [Theory]
    [InlineData("""{"a": 8, "b": [1, {"a": 3}]}""", "a", """{"a": 12, "b": [1, {"a": 3}]}""")]
    [InlineData("{\r\n\t\"x\": {\"a\": 1},\r\n\t\"a\" :\t8 }\n", "a", "{\r\n\t\"x\": {\"a\": 1},\r\n\t\"a\" :\t12 }\n")]
    [InlineData("""{"a": null}""", "a", """{"a": 12}""")]
    [InlineData("""{"a": 8, "b": 8}""", "a b", """{"a": 12, "b": 12}""")]
    [InlineData("""{"a": 8, "c": 8}""", "a b", """{"a": 12, "c": 8}""")]
    [InlineData("""{"b": 8, "c": 8}""", "a b", """{"b": 12, "c": 8}""")]
    [InlineData("""{"f": {"a": 8, "b": 1}, "a": 8}""", "f.a", """{"f": {"a": 12, "b": 1}, "a": 8}""")]
    [InlineData("{\n \"c\": 1,\n \"d\": [2]\n}", "a b", "{\n \"c\": 1,\n \"d\": [2],\n \"a\": 12\n}")]
    [InlineData("""{"f": {"b": 1}}""", "f.a", """{"f": {"b": 1,"a": 12}}""")]
    [InlineData("""{"f": {}}""", "f.a", """{"f": {"a": 12}}""")]
    [InlineData("""{"ä\u0061": "ß", "a": 8}""", "a", """{"ä\u0061": "ß", "a": 12}""")]
    [InlineData("""{"a": 8, "a": 9}""", "a", """{"a": 12, "a": 12}""")]
    public void A_number_is_put_where_it_belongs_and_all_else_stays(string json, string fields, string expected)
    {
        string[][] paths = [.. fields.Split(' ').Select(field => field.Split('.'))];
        Encoding.UTF8.GetString(SettingsNumber.With(Encoding.UTF8.GetBytes(json), paths, 12)).Should().Be(expected);
        byte[] marked = [.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes(json)];
        SettingsNumber.With(marked, paths, 12).Should().Equal([.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes(expected)]);
    }

    [Fact]
    public void An_object_that_is_not_there_is_said()
    {
        FluentActions.Invoking(() => SettingsNumber.With("{}"u8.ToArray(), [["f", "a"]], 12)).Should().Throw<InvalidDataException>().WithMessage("*no f to put a into*");
    }
}
