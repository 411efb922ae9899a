using System.Runtime.InteropServices;
using Moe.Core;
using static TorchSharp.torch;
using Problem = global::HuggingFaceBlock.Problem;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>What is said of exceptions that no small checkpoint brings about.</summary>
public sealed class ProblemMessageTests
{
    [Fact]
    public void Of_torch_the_first_line_is_told()
    {
        using var scope = NewDisposeScope();
        var exception = FluentActions.Invoking(() => empty(1L << 50)).Should().Throw<ExternalException>().Which;
        exception.Message.Should().Contain("frame #1");
        Problem.Of(exception).Should().StartWith("Torch says: ").And.Contain("memory").And.NotContain("frame").And.NotContain("\n");
    }

    [Fact]
    public void Names_of_parameters_are_left_out()
    {
        Problem.Of(new ArgumentException("It is wrong.", "layer")).Should().Be("It is wrong.");
        Problem.Of(new ArgumentException("It is wrong.")).Should().Be("It is wrong.");
    }

    [Fact]
    public void Mistakes_of_the_program_are_not_told_as_the_callers()
    {
        Problem.Of(new InvalidCastException()).Should().BeNull();
        Problem.Of(new NonFiniteRoutingException("NaN.")).Should().Be("NaN.");
    }
}
