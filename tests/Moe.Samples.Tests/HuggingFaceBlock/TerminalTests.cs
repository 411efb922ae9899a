using Spectre.Console;
using SampleTerminal = global::HuggingFaceBlock.Terminal;

namespace Moe.Samples.Tests.HuggingFaceBlock;

public sealed class TerminalTests
{
    [Fact]
    public void A_table_that_fits_has_a_frame() => Written(40).Should().HaveCount(5).And.HaveElementAt(0, "╭─────────────────┬─────────────╮");

    [Theory]
    [InlineData(10)]
    [InlineData(32)]
    public void Of_a_table_that_is_too_wide_every_cell_is_whole(int width) =>
        Written(width).Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))).Should().Equal("parameters active", "999,888,777,666 555,444,333");

    private static string[] Written(int width)
    {
        var output = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Ansi = AnsiSupport.No });
        console.Profile.Width = width;
        var table = new Table { Border = TableBorder.Rounded };
        table.AddColumn(new TableColumn("parameters").NoWrap());
        table.AddColumn(new TableColumn("active").NoWrap());
        table.AddRow("999,888,777,666", "555,444,333");
        SampleTerminal.Write(console, table);
        console.Profile.Width.Should().Be(width);
        return output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
