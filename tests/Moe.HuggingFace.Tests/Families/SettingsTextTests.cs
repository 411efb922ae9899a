using System.Text;

namespace Moe.HuggingFace.Tests;

public sealed class SettingsTextTests
{
    [Theory]
    [InlineData("""{"a": 1, "q": {"a": [1, 2]}, "b": 1e-06}""", """{"a": 1, "b": 1e-06}""")]
    [InlineData("""{"q": null, "a": "é\u00e9"}""", """{"a": "é\u00e9"}""")]
    [InlineData("""{ "a": {"q": 1} , "q": [ ] }""", """{ "a": {"q": 1} }""")]
    [InlineData("""{"q": 1}""", """{}""")]
    [InlineData("""{"q": 1, "a": 2, "q": {}}""", """{"a": 2}""")]
    [InlineData("""{"q": 1, "q": 2}""", """{}""")]
    [InlineData("""{"a": {"q": 1}, "b": ["q"]}""", """{"a": {"q": 1}, "b": ["q"]}""")]
    [InlineData("{\n  \"a\": 1,\n  \"q\": 2\n}\n", "{\n  \"a\": 1\n}\n")]
    [InlineData("{\r\n\t\"q\": 2,\r\n\t\"a\": 1\r\n}", "{\r\n\t\"a\": 1\r\n}")]
    public void A_field_goes_and_all_else_stays_as_it_was(string json, string expected)
    {
        Encoding.UTF8.GetString(SettingsText.Without(Encoding.UTF8.GetBytes(json), "q")).Should().Be(expected);
    }

    [Fact]
    public void The_mark_of_the_order_of_bytes_stays()
    {
        byte[] mark = [0xEF, 0xBB, 0xBF];
        SettingsText.Without([.. mark, .. """{"q": 1}"""u8], "q").Should().Equal([.. mark, .. "{}"u8]);
    }
}
