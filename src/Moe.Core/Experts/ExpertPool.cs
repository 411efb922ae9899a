using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The experts of one layer, of any kinds, in the order of their indices. Registers those that are modules, stacks those that are
/// equal, and lets each answer its own rows.
/// </summary>
internal sealed class ExpertPool : nn.Module
{
    private readonly IExpert[] _experts;

    /// <summary>Where all experts of a stack stand one after the other, beginning here.</summary>
    private readonly bool[] _wholeStacks;

    private readonly (string Name, nn.Module Module)[] _modules;

    /// <summary>Takes the experts over. Everything that could be wrong with them is checked before anything is taken.</summary>
    public ExpertPool(string name, IReadOnlyList<IExpert> experts)
        : base(name)
    {
        _experts = Stacked(experts);
        var registered = new HashSet<nn.Module>();
        for (var index = 0; index < _experts.Length; index++)
        {
            // A name must not depend on what the experts before it are: it is the index of the first expert that the module holds.
            if (ModuleOf(_experts[index]) is { } module && registered.Add(module))
                register_module($"{index}", module);
        }
        _modules = [.. named_children()];
        var names = _modules.ToDictionary(item => item.Module, item => item.Name);
        Places = [.. _experts.Select(expert => ModuleOf(expert) is { } module ? new ExpertPlace($"{name}.{names[module]}", (expert as StackedExperts.Slice)?.Index) : null)];
        _wholeStacks = [.. _experts.Select((expert, index) =>
            expert is StackedExperts.Slice { Index: 0, Stack: var stack } && _experts.Skip(index).Take(stack.Count).SequenceEqual(stack))];
    }

    public IReadOnlyList<IExpert> Experts => _experts;

    /// <summary>Where each expert's parameters lie; null for one that is no module.</summary>
    public IReadOnlyList<ExpertPlace?> Places { get; }

    /// <summary>The stack that is all there is, in the order of its experts; null if there is anything else.</summary>
    public StackedExperts? OnlyStack => _wholeStacks[0] && StackOf(0).Count == _experts.Length ? StackOf(0) : null;

    /// <summary>Lets each expert answer its rows: rows lie grouped by expert, <paramref name="counts"/> says how many each has.</summary>
    /// <param name="rows">[n, D].</param>
    /// <param name="counts">Rows of each expert; together n.</param>
    /// <param name="pass">Collects what mixtures inside the experts decide; without a mask, since no row is padding. Null for none.</param>
    /// <returns>The answers [n, Dout] of the experts that have rows, in order, in the rows' type and on their device.</returns>
    public List<Tensor> Answer(Tensor rows, IReadOnlyList<long> counts, RoutingPass? pass)
    {
        var answers = new List<Tensor>(_experts.Length + 1);
        var slices = new Dictionary<StackedExperts, Tensor[][]>();
        var start = 0L;
        for (var index = 0; index < _experts.Length;)
        {
            var together = _wholeStacks[index] ? StackOf(index) : null;
            long[] own = [.. Enumerable.Range(index, together?.Count ?? 1).Select(expert => counts[expert])];
            if (own.Sum() is > 0 and var count)
            {
                var asked = rows.narrow(0, start, count);
                answers.Add(together is null ? Answer(index, asked, pass, slices) : Together(together, asked, own));
                start += count;
            }
            index += own.Length;
        }
        return answers;
    }

    /// <summary>Lets every expert answer all rows.</summary>
    public IEnumerable<Tensor> AnswerAll(Tensor rows, RoutingPass? pass)
    {
        var slices = new Dictionary<StackedExperts, Tensor[][]>();
        return _experts.Select((_, index) => Answer(index, rows, pass, slices));
    }

    /// <summary>Refuses input whose type is not that of the experts' weights.</summary>
    public void RequireType(Tensor input, string parameterName)
    {
        foreach (var (name, module) in _modules)
        {
            if (FirstWeight(module) is { } weight && weight.dtype != input.dtype)
            {
                throw new ArgumentException(
                    $"Expected {parameterName} of type {weight.dtype}, as {GetName()}.{name} is, got {input.dtype}.", parameterName);
            }
        }
    }

    private Tensor Answer(int index, Tensor rows, RoutingPass? pass, Dictionary<StackedExperts, Tensor[][]> slices)
    {
        var expert = _experts[index];
        var answer = expert switch
        {
            StackedExperts.Slice slice => slice.Stack.Recipe.Compute(
                Bring(rows, slice.Stack.FirstWeight), SlicesOf(slice.Stack, slices)[slice.Index]),
            MixtureOfExperts mixture => Ask(mixture, rows.to(mixture.Gate.TokenDevice ?? rows.device), pass),
            nn.Module module => Ask(expert, Bring(rows, FirstWeight(module)), pass),
            _ => Constant(expert, rows, pass),
        };

        // A wrong answer must not reach the others' rows: cat would accept any height.
        if (answer is null || answer.IsInvalid || answer.dim() != 2 || answer.size(0) != rows.size(0) || answer.size(1) != expert.OutputWidth)
        {
            var got = answer is null ? "null" : answer.IsInvalid ? "a disposed tensor" : TensorGuard.Shape(answer);
            throw new InvalidOperationException(
                $"Expert {index} ({expert.GetType().Name}) must answer [{rows.size(0)}, {expert.OutputWidth}] to rows {TensorGuard.Shape(rows)}, but gave {got}.");
        }
        return answer.to(rows.dtype, rows.device);
    }

    private StackedExperts StackOf(int index) => ((StackedExperts.Slice)_experts[index]).Stack;

    private static Tensor Together(StackedExperts stack, Tensor rows, long[] counts)
    {
        var brought = Bring(rows, stack.FirstWeight);
        return StackProducts.For(stack, brought, counts).Answer(stack, brought, counts).to(rows.dtype, rows.device);
    }

    private static Tensor[][] SlicesOf(StackedExperts stack, Dictionary<StackedExperts, Tensor[][]> slices)
    {
        if (!slices.TryGetValue(stack, out var weights))
            slices[stack] = weights = stack.Slices();
        return weights;
    }

    private static Tensor Ask(IExpert expert, Tensor rows, RoutingPass? pass) => expert switch
    {
        // Called, so that its hooks run.
        ModuleExpert { Module: not IRoutedModule } wrapper => wrapper.call(rows),
        IRoutedModule routed when pass is not null => routed.forward(rows, pass),
        nn.Module<Tensor, Tensor> module => module.call(rows),
        _ => expert.forward(rows),
    };

    /// <summary>The answer of an expert that autograd does not know.</summary>
    private static Tensor Constant(IExpert expert, Tensor rows, RoutingPass? pass)
    {
        using var noGrad = no_grad();
        var answer = Ask(expert, rows.detach(), pass);
        return answer is { IsInvalid: false } ? answer.detach() : answer;
    }

    /// <summary>Moves rows to where the expert lives; its type was checked at the door.</summary>
    private static Tensor Bring(Tensor rows, Tensor? weight) => weight is null ? rows : rows.to(weight.device);

    /// <summary>The weight that tells what an expert computes in. Not a gate's: inside a narrow mixture that one stays in Float32.</summary>
    private static Parameter? FirstWeight(nn.Module module) => module switch
    {
        StackedExperts stack => stack.FirstWeight,
        Router => null,
        _ => module.named_parameters(recurse: false).Select(pair => pair.parameter).FirstOrDefault(parameter => TensorGuard.IsFloating(parameter.dtype))
            ?? module.children().Select(FirstWeight).FirstOrDefault(weight => weight is not null),
    };

    private static nn.Module? ModuleOf(IExpert expert) => expert is StackedExperts.Slice slice ? slice.Stack : expert as nn.Module;

    /// <summary>Replaces experts with equal recipes, of which there are two or more, by slices of one stack.</summary>
    private static IExpert[] Stacked(IReadOnlyList<IExpert> experts)
    {
        var result = experts.ToArray();
        var equals = experts
            .Select((expert, index) => (Expert: expert as StackableExpert, Index: index))
            .Where(item => item.Expert is not null)
            .GroupBy(item => StackKey(item.Expert!))
            .Where(group => group.Count() > 1);
        foreach (var group in equals)
        {
            var stack = StackedExperts.Of([.. group.Select(item => item.Expert!)]);
            foreach (var (item, place) in group.Select((item, place) => (item, place)))
            {
                result[item.Index] = stack[place];
                item.Expert!.Dispose();
            }
        }
        return result;
    }

    /// <summary>What must agree for two experts to share one tensor: mathematics, type, device, and what is trained.</summary>
    private static object StackKey(StackableExpert expert)
    {
        var weights = expert.RecipeWeights;
        return (expert.Recipe, weights[0].dtype, weights[0].device.ToString(), string.Concat(weights.Select(weight => weight.requires_grad ? '1' : '0')));
    }
}
